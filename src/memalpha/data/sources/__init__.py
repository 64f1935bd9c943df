"""One short module a public data set: `load(place, seed=..., count_tokens=...) -> Iterator[Episode]`."""
