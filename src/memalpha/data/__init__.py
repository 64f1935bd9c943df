"""Where episodes come from: the synthetic world, public sources, and files of one's own."""
