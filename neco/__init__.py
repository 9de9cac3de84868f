"""NeCo: dense post-pretraining of Vision Transformers by patch neighbor consistency."""

__version__ = "0.1.0"
