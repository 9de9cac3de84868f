"""Fully unsupervised segmentation: foreground from clusters, objects from communities of clusters.

attention.py     the class token's attention of every image, stored beside the features
foreground.py    CBFE: which clusters are foreground, judged by the attention
communities.py   CD: which clusters belong together, judged by which lie side by side
segment.py       both together, from features to segments
parameters.py    the search for the parameters of the communities
evaluate.py      the protocol: segments, matched to classes and scored
"""
