"""Generated scenes: photographs-like images with exact labels, for demo and tests."""
