"""What a project costs before it runs: images, arithmetic, hours.

images.py      how many images a split has
arithmetic.py  floating-point operations of a Vision Transformer and of a NeCo step
hours.py       both together with one measured speed: GPU-hours by rule
"""
