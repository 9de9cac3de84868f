"""Generated scenes for the demo and for tests: seeds come in, images with exact labels come out.

The images look like photographs.
"""
