"""A package, so that worker processes find these modules before any other called `tests`."""
