"""A training's result for other people's programs.

source    what is exported: a run or a weights file, and what its record says
folder    a folder in the format of timm's hub: config.json, model.safetensors, README.md
onnx      model.onnx for images of any size, checked against PyTorch
card      README.md, written from the record
export    all of them in one folder, whole or not at all
"""
