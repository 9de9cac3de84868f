"""The page of a comparison, one file that needs no network.

embed        tokens as a few signed bytes each, and what that costs
shown        what a backbone makes of the shown images: tokens, clusters, predictions
build        everything together into comparison.html
page.html    its skeleton; page.css: its style
js           its behaviour in small modules, of which js/main.js draws the page
script       those modules joined into one
"""
