"""Generated scenes: images that look like photographs, with exact labels, for the demo and for
tests."""
