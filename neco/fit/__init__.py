"""From a folder of images to a model of one's own: `neco fit`.

order     what the user asked for
machine   what the machine has: device, memory, cores
choose    the settings of the training, by the rules of neco.config.fit
measure   the pace of real steps
settle    settings and estimate together, before the start
show      the same in words
stages    what was done already with the same inputs, and is not done again
fit       look, prepare, weights, measure, train, export
"""
