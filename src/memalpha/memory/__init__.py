"""The state of a memory: entries, banks, layouts, search and the tools that change them."""
