"""The page of a comparison, one file that needs no network.

embed        tokens as a few signed bytes each, and what that costs
shown        what a backbone makes of the shown images: tokens, clusters, predictions
build        everything together into comparison.html
page.html    its skeleton; page.css, page.js: its style and its behaviour
"""
