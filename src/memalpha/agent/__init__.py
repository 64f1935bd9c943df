"""A model turned into a writer, a reader and a judge."""
