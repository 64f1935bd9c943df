"""One short module a public data set: `load(path, seed=...) -> Iterator[Episode]`."""
