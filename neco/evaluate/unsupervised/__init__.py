"""Fully unsupervised segmentation: foreground from clusters, objects from communities of clusters.

attention.py     the class token's attention of every image, stored beside the features
foreground.py    CBFE: which clusters are foreground, judged by the attention
communities.py   CD: which clusters belong together, judged by who is next to whom
segment.py       both, from features to segments
search.py        the search for the parameters of the communities
evaluate.py      the protocol: segments matched to classes
"""
