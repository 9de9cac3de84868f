"""Settings of the evaluations. Defaults are the paper's; source: appendix A.2."""

from typing import Any, Literal

from pydantic import Field, model_validator

from neco.config.base import Settings


class Extraction(Settings):
    """How frozen features are read from a backbone."""

    batch_size: int = Field(16, ge=1)
    workers: int = Field(2, ge=0)
    dtype: Literal["float16", "float32"] = "float16"
    """Storage of features on disk."""
    block: int | None = None
    """Block whose tokens are the features: 0 is the first, -1 the last, -3 the third from the end;
    stages in a hierarchical network. None takes the last. Several models' best dense features lie
    before their last block. Class attention is the last block's in any case."""


class Frozen(Settings):
    """What every evaluation shares."""

    absent: Literal["zero", "skip"] = "zero"
    """A class absent from the ground truth counts as IoU 0 (reference) or not at all."""
    bootstrap: int = Field(1000, ge=0)
    """Replicas of the 95 % interval over images; 0 computes none."""


class Scann(Settings):
    """ScaNN as the paper's open implementation configures it (needs the `scann` package)."""

    leaves: int = Field(512, ge=1)
    leaves_to_search: int = Field(32, ge=1)
    anisotropic_threshold: float = 0.2
    dimensions_per_block: int = Field(4, ge=1)
    reorder: int = Field(120, ge=1)
    """Candidates scored again exactly."""


class Ivf(Settings):
    """faiss inverted lists: approximate, no further package."""

    lists: int = Field(512, ge=1)
    lists_to_search: int = Field(32, ge=1)
    iterations: int = Field(10, ge=1)
    """Of the k-means that places the lists."""


class BankAugmentation(Settings):
    """Changed training images in the memory bank, as the open implementation makes them."""

    epochs: int = Field(0, ge=0)
    """Passes over randomly cropped and jittered images, through the backbone; 0: the images as
    they are, once, from cached features."""
    crop_scale: tuple[float, float] = (0.5, 2.0)
    """Area range of the random resized crop; areas past the image's fall back to all of it."""
    jitter: float = Field(0.1, ge=0.0, le=0.5)
    """Strength of brightness, contrast, saturation and hue."""
    jitter_probability: float = Field(0.5, ge=0.0, le=1.0)
    """Of each of the four, on its own."""


class InContext(Frozen):
    """Dense nearest-neighbour retrieval (Hummingbird)."""

    image_size: int = Field(518, ge=8)
    """Input side in pixels, rounded down to a multiple of the patch size."""
    memory_size: int = Field(10_240_000, ge=1)
    """Patches in the memory bank, shared equally by the training images."""
    neighbours: int = Field(30, ge=1)
    temperature: float = Field(0.02, gt=0.0)
    """Of the softmax over the neighbours' cosines."""
    fractions: list[int] = [1, 8, 64, 128]
    """Denominators: 8 keeps 1/8 of the training images."""
    seeds: list[int] = [0, 1, 2, 3, 4]
    """One subset of the training images per seed; the whole set is evaluated with the first."""
    mask_size: Literal["full", "input"] = "full"
    """Masks that predictions are compared with: the image's own size, or the input size."""
    search: Literal["exact", "faiss-flat", "faiss-gpu", "faiss-ivf", "scann"] = "exact"
    """Nearest-neighbour backend; `exact` runs on a GPU where there is one."""
    storage: Literal["float16", "int8"] = "float16"
    """Keys that the exact search's first pass reads: as extracted, or in 8 bits (half the memory
    where the bank is `mapped` or the search on a GPU). Neighbours are the same."""
    mapped: bool = False
    """Keep the bank's tokens in a temporary file (in TMPDIR) instead of in memory."""
    augmentation: BankAugmentation = BankAugmentation()
    recall_sample: int = Field(2000, ge=1)
    """Queries on which an approximate backend's recall is measured against exact search."""
    scann: Scann = Scann()
    ivf: Ivf = Ivf()


class Overcluster(Frozen):
    """k-means on patch tokens, clusters matched to classes."""

    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side at which clusters and masks are compared, both by nearest neighbour."""
    clusters: list[int | Literal["classes"]] = ["classes", 300, 500]
    """K; `classes` is the dataset's class count, matched one to one (Hungarian on IoU)."""
    components: int = Field(50, ge=1)
    """PCA dimensions after per-dimension standardisation."""
    iterations: int = Field(100, ge=1)
    redos: int = Field(5, ge=1)
    points_per_cluster: int | None = Field(256, ge=1)
    """Patches per cluster that k-means is trained on (faiss's default, as in the reference);
    null trains on all. All patches are assigned either way."""
    seeds: list[int] = [0, 1, 2, 3, 4]


class Linear(Frozen):
    """A 1x1 convolution on frozen patch tokens."""

    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side of the logits and masks that the loss and the reported mIoU use."""
    full_resolution: bool = True
    """Also report mIoU on masks at the image's own size."""
    epochs: int = Field(20, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(0.01, gt=0.0)
    momentum: float = Field(0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(1e-4, ge=0.0)
    decay_epochs: int = Field(20, ge=1)
    """Epochs between steps of the learning rate."""
    decay_factor: float = Field(0.1, gt=0.0, le=1.0)
    crop_scale: tuple[float, float] = (0.8, 1.0)
    """Area range of the random resized crop."""
    augment: bool = True
    """Augmented images through the backbone in every epoch (the protocol), or the fast path:
    cached tokens of the images as they are."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    train_fraction: float = Field(1.0, gt=0.0, le=1.0)
    """Random share of the training images (0.1 on COCO)."""
    seeds: list[int] = [0]


class Segmenter(Frozen):
    """Fine-tuning of the whole network with Segmenter's mask transformer.

    Where paper and CrIBo are silent, MMSegmentation's own Segmenter configurations decide.
    """

    learning_rates: list[float] = [8e-5, 3e-5, 1e-5, 8e-6]
    """Each is trained; the one with the highest mean mIoU over the seeds is the result."""
    seeds: list[int] = [0]
    """Reruns move by about 1 mIoU, more than the paper's gaps between DINOv2R and NeCo."""
    iterations: int = Field(160_000, ge=1)
    """80,000 on Pascal VOC and Pascal Context."""
    batch_size: int = Field(8, ge=1)
    crop_size: int = Field(512, ge=8)
    """Side of a training crop and of an evaluated window in pixels; zeros are added around it up
    to a multiple of the patch size (518 for patch 14)."""
    window_stride: int = Field(480, ge=1)
    """Pixels between the windows that an evaluated image is read in."""
    image_scale: tuple[int, int] = (2048, 512)
    """Longest and shortest side that an image is scaled to fit in."""
    scale_range: tuple[float, float] = (0.5, 2.0)
    """Random factor of `image_scale` in training."""
    largest_share: float = Field(0.75, gt=0.0, le=1.0)
    """A crop in which one class has more of the labelled pixels is drawn again, ten times."""
    flip_probability: float = Field(0.5, ge=0.0, le=1.0)
    decoder_layers: int = Field(2, ge=1)
    head_width: int = Field(64, ge=1)
    """Channels of an attention head of the decoder: 6 heads on ViT-S, 12 on ViT-B."""
    drop_path: float = Field(0.1, ge=0.0, lt=1.0)
    """Stochastic depth of the last block, of backbone and decoder."""
    weight_decay: float = Field(0.0, ge=0.0)
    decay_power: float = Field(0.9, gt=0.0)
    """Of the polynomial decay of the learning rate."""
    final_rate: float = Field(0.1, ge=0.0, le=1.0)
    """Learning rate at the end as a share of the first (the paper's eta_min)."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """`auto` is bf16-mixed where the hardware has bfloat16 arithmetic, else 32-true."""
    validate_every: int | None = Field(16_000, ge=1)
    """Iterations between evaluations on the way; null evaluates only at the end."""
    checkpoint_every: int = Field(1000, ge=1)
    log_every: int = Field(50, ge=1)

    def identity(self) -> "Segmenter":
        """Return the settings of one fine-tuning, without what changes reporting only."""
        alike = {"learning_rates": [], "seeds": [], "checkpoint_every": 1, "log_every": 1}
        return self.model_copy(update=alike)


class Unsupervised(Frozen):
    """Fully unsupervised segmentation: cluster-based foreground, communities of clusters."""

    preset: Literal["paper", "reference"] = "paper"
    """Named starting point; the keys that it sets can still be set alone. `paper` is its text and,
    where that refers to Leopart's implementation, what the code is for; `reference` the released
    code to the letter."""
    image_size: int = Field(448, ge=8)
    mask_size: int = Field(100, ge=1)
    """Side at which segments and masks are compared, both by nearest neighbour."""
    train_split: str = "train"
    """Clustered together with the held-out split; VOC's own, not trainaug."""
    components: int = Field(50, ge=1)
    """PCA dimensions after per-dimension standardisation."""
    iterations: int = Field(100, ge=1)
    redos: int = Field(5, ge=1)
    enlarged: bool = True
    """Features are brought to `mask_size` by nearest neighbour before they are clustered, and
    neighbours are counted there; else both on patches as they are."""
    clustering_seed: int | None = 0
    """Of the k-means of foreground and of clusters, so that `seeds` only vary the communities
    (reference); null clusters anew for each seed."""
    foreground_clusters: int = Field(200, ge=2)
    """K of the spherical k-means whose clusters are foreground or background."""
    unit_length: bool = True
    """Tokens of length 1 for that k-means; else long tokens weigh more (reference)."""
    attention_mass: float = Field(0.7, gt=0.0, lt=1.0)
    """Share of the smoothed attention that marks an image's foreground (reference 0.65)."""
    foreground_threshold: float | None = Field(None, ge=0.0, le=1.0)
    """Precision from which a cluster is foreground; null chooses it on the training images."""
    threshold_by: Literal["labels", "attention"] = "labels"
    """What a chosen threshold's foreground has to agree with: training labels that are not
    background (reference), or the attention masks, for which no label is looked at."""
    threshold_cuts: tuple[float, float] = (0.55, 0.75)
    """Shares of the clusters that may be background, by which `labels` choose."""
    threshold_step: float = Field(0.05, gt=0.0, lt=1.0)
    """What a chosen threshold is a multiple of."""
    foreground_seeds: list[int] = [0, 1, 2, 3, 4]
    """Of the k-means of the foreground into one cluster less than classes (Table 6, +CBFE)."""
    clusters: int = Field(189, ge=2)
    """K of the foreground's k-means, whose clusters are joined (k_community)."""
    distances: tuple[int, ...] = (1, 2)
    """Cells between neighbours that count as company."""
    neighbourhood: Literal["square", "reference"] = "square"
    """The eight cells at each distance; or those that the reference's angles round to."""
    background_neighbour: bool = True
    """Background counts as a neighbour and may join a community, like a cluster."""
    weight_threshold: float = Field(0.07, ge=0.0, le=1.0)
    """Both clusters are that often beside each other."""
    markov_time: float = Field(1.2, gt=0.0)
    """Of Infomap: longer joins more."""
    preferred_modules: int = Field(20, ge=1)
    seeds: list[int] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """Of the communities; see `clustering_seed`."""
    reported: Literal["best", "mean"] = "best"
    """The seed with the highest held-out mIoU (paper), or the mean over seeds (reference); the
    other is in the metrics file too."""
    trials: int = Field(0, ge=0)
    """Parameter sets to search on the training labels first (optuna); 0 takes the paper's best."""
    search_clusters: tuple[int, int, int] = (69, 249, 10)
    """First, last, step of K (Leopart: from 99)."""
    search_weight: tuple[float, float, float] = (0.01, 0.1, 0.01)
    search_markov_time: tuple[float, float, float] = (0.1, 2.0, 0.1)
    search_seed: int = 1000

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return UNSUPERVISED_PRESETS.get(values.get("preset", "paper"), {}) | values


UNSUPERVISED_PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "reference": {
        "unit_length": False,
        "attention_mass": 0.65,
        "neighbourhood": "reference",
        "reported": "mean",
        "trials": 300,
    },
}
"""Sparse differences from the defaults; each is a row of docs/deviations.md."""


def open_to_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings without the keys that presets set, for another preset to fill."""
    governed = {key for preset in UNSUPERVISED_PRESETS.values() for key in preset}
    return {key: value for key, value in values.items() if key not in governed}


Protocol = Literal["in-context", "overcluster", "linear", "segmenter", "unsupervised"]
PROTOCOLS: dict[str, type[Settings]] = {
    "in-context": InContext,
    "overcluster": Overcluster,
    "linear": Linear,
    "segmenter": Segmenter,
    "unsupervised": Unsupervised,
}
