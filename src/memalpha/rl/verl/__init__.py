"""Training on a cluster: verl samples and updates, the episodes, rewards and advantages are those of everywhere."""
