# Pure functions of the project: which files belong to which wildcards.


def weights_of(model):
    backbone, run, seed = MODELS[model]
    if run is None:
        return f"{DATA}/weights/{file_stem(backbone)}.safetensors"
    return f"{RESULTS}/runs/{model}/backbone.safetensors"


def dataset_folder(dataset):
    return f"{DATA}/prepared/{dataset}"


def features_folder(model, dataset, split, size, colours="backbone"):
    own = "" if colours == "backbone" else f".{colours}"
    return f"{RESULTS}/features/{file_stem(model)}/{dataset}.{split}.{size}{own}"


def needed_archives(dataset):
    splits = PROJECT.datasets[dataset]
    return needed_for(dataset, (splits.train, splits.val))


def is_brought(archive):
    """Return whether the user brings this "archive": a folder that no rule makes or removes."""
    return is_folder(archive) and archive not in SCENES


def archives_and_prerequisites(wildcards):
    archives = needed_archives(wildcards.dataset)
    return [f"{ARCHIVES}/{name}" for name in archives if not is_brought(name)] + [
        dataset_folder(other) for other in prerequisites_of(wildcards.dataset)
    ]


def brought_folders(wildcards):
    """Return the command that links the user's own folder among the archives, `true` if none."""
    links = [
        f"python -m neco fetch {name} --into {ARCHIVES} --config {SETTINGS}"
        for name in needed_archives(wildcards.dataset)
        if is_brought(name)
    ]
    return " && ".join(links) or "true"


def starting_weights(wildcards):
    return weights_of(PROJECT.runs[wildcards.run].backbone)


def metrics_file(protocol, dataset, model):
    return f"{RESULTS}/metrics/{protocol}/{dataset}/{file_stem(model)}.json"


def settings_of(protocol, wildcards):
    model = MODEL_OF[wildcards.model]
    return PROJECT.settings_for(protocol, wildcards.dataset, model)


def features_of(protocol, part):
    """Return an input function: features of the training or held-out split of a metrics file."""

    def inputs(wildcards):
        split = getattr(PROJECT.datasets[wildcards.dataset], part)
        settings = settings_of(protocol, wildcards)
        return features_folder(
            MODEL_OF[wildcards.model],
            wildcards.dataset,
            split,
            settings.image_size,
            getattr(settings, "colours", "backbone"),
        )

    return inputs


def settings_digest(protocol):
    return lambda wildcards: digest(settings_of(protocol, wildcards))


def model_name(wildcards):
    return MODEL_OF[wildcards.model]


def training_input(protocol, augments):
    """Return an input function: the backbone where settings augment, else training features."""

    def inputs(wildcards):
        if augments(settings_of(protocol, wildcards)):
            return {"weights": weights_of(MODEL_OF[wildcards.model])}
        return {"train": features_of(protocol, "train")(wildcards)}

    return inputs


def training_argument(wildcards, input):
    if hasattr(input, "train"):
        return f"--train-features {input.train}"
    backbone = MODELS[MODEL_OF[wildcards.model]][0]
    return f"--backbone '{backbone}' --weights {input.weights}"


def extraction_inside(wildcards, input):
    """Return the digest of how a job reads training images itself, none where `extract` did."""
    return "" if hasattr(input, "train") else digest(PROJECT.extraction)


def fine_tunings(wildcards):
    """Return the result of every learning rate and seed of a model."""
    settings = settings_of("segmenter", wildcards)
    folder = f"{RESULTS}/segmenter/{wildcards.dataset}/{wildcards.model}"
    return [
        f"{folder}/rate-{rate:g}.seed{seed}.json"
        for rate in settings.learning_rates
        for seed in settings.seeds
    ]


def unsupervised_input(wildcards):
    """Return features and attention of the training and held-out split."""
    settings = settings_of("unsupervised", wildcards)
    splits = {
        "train": settings.train_split,
        "val": PROJECT.datasets[wildcards.dataset].val,
    }
    model, size = MODEL_OF[wildcards.model], settings.image_size
    features = {
        part: features_folder(model, wildcards.dataset, split, size)
        for part, split in splits.items()
    }
    attention = {
        f"{part}_attention": f"{RESULTS}/attention/{wildcards.model}/{wildcards.dataset}.{split}.{size}.npz"
        for part, split in splits.items()
    }
    return features | attention


@cache
def made_from(part):
    """Return the files that a table or figure is made from, by the names of its arguments."""
    needs = needs_of(part, PROJECT)
    files = {
        "metrics": [metrics_file(*key) for key in needs.metrics],
        "trainings": [
            f"{RESULTS}/runs/{model}/training.json" for model in needs.trainings
        ],
        "data": [dataset_folder(dataset) for dataset in needs.datasets],
        "weights": [weights_of(model) for model in needs.weights],
        **{name: features_folder(*read) for name, read in needs.features.items()},
        "maps": [
            f"{RESULTS}/unsupervised/{dataset}/{file_stem(model)}.npz"
            for _, dataset, model in needs.maps
        ],
    }
    return {name: paths for name, paths in files.items() if paths}


def figure_arguments(wildcards, input):
    """Return the arguments that name what a figure is drawn from."""
    if input.get("metrics"):
        return f"--metrics {RESULTS}/metrics --runs {RESULTS}/runs"
    return " ".join(
        f"--{name.replace('_', '-')} {input[name]}" for name in input.keys()
    )


def shown_in(part):
    """Return the file in which people read a part of the report."""
    if part in [drawing.stem for drawing in FIGURES.values()]:
        return f"{RESULTS}/figures/{part}.png"
    return f"{RESULTS}/tables/{part}.html"


SCENES = (
    written_with(chain.from_iterable(map(needed_archives, PROJECT.datasets)))
    if PROJECT.scenes is not None
    else []
)
MODEL_OF = {file_stem(model): model for model in MODELS}
TRAINED = [model for model, (_, run, _) in MODELS.items() if run]
PARTS = drawable(PROJECT)
DRAWN = [
    FIGURES[name].stem for name in PROJECT.report.figures if FIGURES[name].stem in PARTS
]
