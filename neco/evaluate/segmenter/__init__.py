"""Fine-tuning of a whole network with Segmenter's mask transformer (Table 4).

    library.py    MMSegmentation, imported without mmcv's compiled operators
    network.py    our backbone, its padding and MMSegmentation's head as one network
    images.py     our datasets through MMSegmentation's transforms
    fine_tune.py  the loop: train, checkpoint, resume
    evaluate.py   one learning rate and seed -> a metrics file
    choice.py     metrics files of all learning rates -> the best

Head, loss, transforms and windowed inference are MMSegmentation's, with its Segmenter
configuration. The loop is ours. MMEngine's Runner reads every past batch again when it continues,
and it does not restore the random state. So an interrupted fine-tuning would cost hours more and
end with another result.
Source: paper, appendix A.2 (setup of CrIBo).
"""
