# Which files belong to which wildcards, as pure functions of the project.


def weights_of(model):
    """Return the weights of a model: a backbone's, or those that a run has trained."""
    if MODELS[model].run is None:
        return f"{DATA}/weights/{file_stem(MODELS[model].backbone)}.safetensors"
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


def mirror_arguments():
    return [word for mirror in PROJECT.all_mirrors() for word in ("--mirror", mirror)]


def scenes_arguments():
    """Return the part of the project that scenes depend on, as settings of the command."""
    values = PROJECT.model_dump(mode="json", include={"scenes", "datasets"})
    settings = [f"{name}={json.dumps(value)}" for name, value in values.items()]
    return [word for setting in settings for word in ("--set", setting)]


def brought_folders(wildcards):
    """Return the commands that link the user's own folders among the archives, or `true`."""
    fetch = ["python", "-m", "neco", "fetch", "--into", ARCHIVES, *mirror_arguments()]
    return (
        " && ".join(
            shlex.join([*fetch, name])
            for name in needed_archives(wildcards.dataset)
            if is_brought(name)
        )
        or "true"
    )


def description_of_folders(wildcards):
    """Return the digest of what the user's own folders say of themselves, or an empty string.

    That is dataset.yaml and the lists at the top of a folder. The digest is the same before and after
    the folder is linked among the archives. So only a change of the folder prepares it anew.
    """
    places = [ARCHIVES, *(m for m in PROJECT.all_mirrors() if Path(m).is_dir())]
    described = []
    for name in filter(is_brought, needed_archives(wildcards.dataset)):
        folder = next(
            (Path(p) / name for p in places if (Path(p) / name).is_dir()), None
        )
        files = sorted(folder.iterdir()) if folder else []
        described += [
            f"{file.name} {file_digest(file)}"
            for file in files
            if file.suffix in (".yaml", ".txt", ".csv", ".lst") and file.is_file()
        ]
    if not described:
        return ""
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:12]


def starting_weights(wildcards):
    return weights_of(PROJECT.runs[wildcards.run].backbone)


def training_data(wildcards):
    try:
        return dataset_folder(PROJECT.training_dataset(wildcards.run))
    except UserError as error:
        raise WorkflowError(str(error)) from None


def metrics_file(protocol, dataset, model):
    return f"{RESULTS}/metrics/{protocol}/{dataset}/{file_stem(model)}.json"


def settings_of(protocol, wildcards):
    model = MODEL_OF[wildcards.model]
    return PROJECT.settings_for(protocol, wildcards.dataset, model)


def settings_digest(protocol):
    return lambda wildcards: digest(settings_of(protocol, wildcards))


def model_name(wildcards):
    return MODEL_OF[wildcards.model]


def backbone_name(wildcards):
    return MODELS[MODEL_OF[wildcards.model]].backbone


def read_by(record, wildcards):
    """Return what an evaluation reads (neco.evaluate.protocol.Inputs)."""
    splits = PROJECT.datasets[wildcards.dataset]
    return record.inputs(settings_of(record.name, wildcards), splits)


def inputs_of(record):
    """Return an input function for the data and what the record's protocol reads of a model."""

    def inputs(wildcards):
        settings, read = settings_of(record.name, wildcards), read_by(record, wildcards)
        model, dataset = MODEL_OF[wildcards.model], wildcards.dataset
        files = {"data": dataset_folder(dataset)}
        for part in read.features:
            files[f"{part}_features"] = features_folder(
                model,
                dataset,
                read.splits[part],
                settings.image_size,
                getattr(settings, "colours", "backbone"),
            )
        for part in read.attention:
            name = f"{wildcards.model}/{dataset}.{read.splits[part]}.{settings.image_size}.npz"
            files[f"{part}_attention"] = f"{RESULTS}/attention/{name}"
        if read.backbone:
            files["weights"] = weights_of(model)
        return files

    return inputs


def outputs_of(record):
    """Return a protocol's metrics file, and its maps where it keeps any."""
    files = {"metrics": f"{RESULTS}/metrics/{record.name}/{{dataset}}/{{model}}.json"}
    if "maps" in record.options:
        files["maps"] = f"{RESULTS}/{record.name}/{{dataset}}/{{model}}.npz"
    return files


def arguments_of(record):
    """Return a params function for splits and files, as the protocol's command takes them."""

    def arguments(wildcards, input, output):
        read = read_by(record, wildcards)
        given = {f"{part}_split": split for part, split in read.splits.items()}
        given |= {"backbone": backbone_name(wildcards)} if read.backbone else {}
        given |= {name: path for name, path in input.items() if name != "data"}
        given |= {name: path for name, path in output.items() if name in record.options}
        return [
            word
            for name, value in given.items()
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]

    return arguments


def extraction_inside(wildcards, input):
    """Return the digest of how a job sends images through the backbone, or an empty string.

    A job that reads features does not send any.
    """
    return digest(PROJECT.extraction) if hasattr(input, "weights") else ""


def fine_tunings(wildcards):
    """Return the result of every learning rate and seed of a model."""
    settings = settings_of("segmenter", wildcards)
    folder = f"{RESULTS}/segmenter/{wildcards.dataset}/{wildcards.model}"
    return [
        f"{folder}/rate-{rate:g}.seed{seed}.json"
        for rate in settings.learning_rates
        for seed in settings.seeds
    ]


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
        f"--{name.replace('_', '-')} {shlex.join([input[name]] if isinstance(input[name], str) else input[name])}"
        for name in input.keys()
    )


def metrics_for(part):
    """Return the metrics files of a part.

    A target names them beside what is made from them. One that was deleted is then measured again.
    """
    return made_from(part).get("metrics", [])


def asked_with(part, wildcards=None):
    """Return what the target of a part asks for. Raises WorkflowError where it cannot be made."""
    try:
        return [*metrics_for(part), shown_in(part)]
    except UserError as error:
        raise WorkflowError(str(error)) from None


def methods_in(part):
    """Return what the runs that a part shows are called."""
    shown = needs_of(part, PROJECT).models()
    runs = {model.run for name, model in MODELS.items() if name in shown}
    return {run: method for run, method in METHODS.items() if run in runs}


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
METHODS = {name: run.method for name, run in PROJECT.runs.items()}
MODEL_OF = {file_stem(model): model for model in MODELS}
TRAINED = [model for model, (_, run, _) in MODELS.items() if run]
DRAWN = [
    FIGURES[name].stem
    for name in PROJECT.report.figures
    if FIGURES[name].stem in drawable(PROJECT)
]
