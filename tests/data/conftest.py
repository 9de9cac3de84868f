"""Tiny archives in the official formats, written for tests."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_length
from scipy.io import savemat

SIZE = (24, 16)  # width, height


def jpeg(seed=0, size=SIZE):
    """Return an encoded photograph of smooth random colours."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def png(pixels, palette=False):
    """Return an encoded mask: grey, palette or RGB."""
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    if palette:
        image.putpalette(list(range(256)) * 3)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def matlab(**variables):
    """Return an encoded .mat file."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


def labels(ids, seed=0, size=SIZE):
    """Return a random label image (H, W) in which every id of `ids` occurs."""
    rng = np.random.default_rng(seed)
    flat = rng.choice(ids, size[0] * size[1])
    flat[: len(ids)] = ids
    return flat.reshape(size[1], size[0])


def write_zip(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path, files, mode="w:"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def encoded_zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Official:
    """Writes archives under their official names into `archives`.

    Every method takes the truth as {split: {image name: ids (H, W)}} and an optional `change`
    that edits the {member: bytes} before they are packed, to break something.
    """

    jpeg = staticmethod(jpeg)
    png = staticmethod(png)
    matlab = staticmethod(matlab)
    labels = staticmethod(labels)
    write_zip = staticmethod(write_zip)
    write_tar = staticmethod(write_tar)

    def __init__(self, folder: Path):
        self.archives = folder / "archives"
        self.prepared = folder / "prepared"

    def voc(self, truth, change=lambda files: None):
        root = "VOCdevkit/VOC2012"
        files = {}
        for split, masks in truth.items():
            lines = "".join(f"{name}\n" for name in masks)
            files[f"{root}/ImageSets/Segmentation/{split}.txt"] = lines.encode()
            for name, ids in masks.items():
                files[f"{root}/JPEGImages/{name}.jpg"] = jpeg(len(files), ids.shape[::-1])
                files[f"{root}/SegmentationClass/{name}.png"] = png(ids, palette=True)
        change(files)
        return write_tar(self.archives / "VOCtrainval_11-May-2012.tar", files)

    def sbd(self, truth, change=lambda files: None):
        files = {}
        for split, masks in truth.items():
            lines = "".join(f"{name}\n" for name in masks)
            files[f"benchmark_RELEASE/dataset/{split}.txt"] = lines.encode()
            for name, ids in masks.items():
                data = matlab(GTcls={"Segmentation": ids.astype(np.uint8), "Boundaries": 0})
                files[f"benchmark_RELEASE/dataset/cls/{name}.mat"] = data
        change(files)
        return write_tar(self.archives / "benchmark.tgz", files, "w:gz")

    def coco(self, names, size=SIZE, change=lambda files: None):
        for split, found in names.items():
            files = {f"{split}2017/{name}.jpg": jpeg(seed, size) for seed, name in enumerate(found)}
            change(files)
            write_zip(self.archives / f"{split}2017.zip", files)

    def panoptic(self, truth, categories, change=lambda files: None):
        """`truth` holds category ids; every connected use of one is one segment, 0 is void."""
        files = {}
        for split, masks in truth.items():
            content = {"images": [], "annotations": [], "categories": categories}
            pngs = {}
            for number, (name, ids) in enumerate(masks.items()):
                segment = ids * 70_001  # spreads over all three colour channels
                colour = np.stack([segment % 256, segment // 256 % 256, segment // 65536], -1)
                pngs[f"panoptic_{split}2017/{name}.png"] = png(colour)
                content["images"].append({"id": number, "file_name": f"{name}.jpg"})
                segments = [
                    {"id": int(i) * 70_001, "category_id": int(i)} for i in np.unique(ids) if i
                ]
                content["annotations"].append(
                    {"image_id": number, "file_name": f"{name}.png", "segments_info": segments}
                )
            files[f"annotations/panoptic_{split}2017.json"] = json.dumps(content).encode()
            files[f"annotations/panoptic_{split}2017.zip"] = encoded_zip(pngs)
        change(files)
        return write_zip(self.archives / "panoptic_annotations_trainval2017.zip", files)

    def stuff(self, truth, categories, change=lambda files: None):
        """`truth` holds category ids; 0 is not annotated."""
        files = {}
        for split, masks in truth.items():
            content = {"images": [], "annotations": [], "categories": categories}
            for number, (name, ids) in enumerate(masks.items()):
                content["images"].append({"id": number, "file_name": f"{name}.jpg"})
                for category in np.unique(ids[ids > 0]):
                    inside = np.asfortranarray(ids == category, dtype=np.uint8)
                    region = run_length.encode(inside)
                    region["counts"] = region["counts"].decode()
                    content["annotations"].append(
                        {
                            "image_id": number,
                            "category_id": int(category),
                            "segmentation": region,
                        }
                    )
            files[f"annotations/stuff_{split}2017.json"] = json.dumps(content).encode()
        change(files)
        return write_zip(self.archives / "stuff_annotations_trainval2017.zip", files)

    def stuff_maps(self, truth, change=lambda files: None):
        files = {
            f"{split}2017/{name}.png": png(ids)
            for split, masks in truth.items()
            for name, ids in masks.items()
        }
        change(files)
        return write_zip(self.archives / "stuffthingmaps_trainval2017.zip", files)

    def ade20k(self, truth, change=lambda files: None):
        files = {}
        for split, masks in truth.items():
            folder = {"train": "training", "val": "validation"}[split]
            for name, ids in masks.items():
                root = "ADEChallengeData2016"
                files[f"{root}/images/{folder}/{name}.jpg"] = jpeg(len(files), ids.shape[::-1])
                files[f"{root}/annotations/{folder}/{name}.png"] = png(ids)
        change(files)
        return write_zip(self.archives / "ADEChallengeData2016.zip", files)

    def context(self, truth, change=lambda files: None):
        root = "VOCdevkit/VOC2010"
        photographs, matrices = {}, {"labels.txt": b"1: accordion\n2: aeroplane\n"}
        for split, masks in truth.items():
            lines = "".join(f"{name}\n" for name in masks)
            photographs[f"{root}/ImageSets/Main/{split}.txt"] = lines.encode()
            for name, ids in masks.items():
                photographs[f"{root}/JPEGImages/{name}.jpg"] = jpeg(1, ids.shape[::-1])
                matrices[f"trainval/{name}.mat"] = matlab(LabelMap=ids.astype(np.uint16))
        change(matrices)
        write_tar(self.archives / "VOCtrainval_03-May-2010.tar", photographs)
        return write_tar(self.archives / "trainval.tar.gz", matrices, "w:gz")

    def written(self, dataset):
        """Return {(split, id): (image path, ids (H, W) or None)} as index.csv lists them."""
        import csv

        folder = self.prepared / dataset
        with (folder / "index.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        result = {
            (row["split"], row["id"]): (
                folder / row["image"],
                np.array(Image.open(folder / row["mask"])) if row["mask"] else None,
            )
            for row in rows
        }
        assert len(result) == len(rows), "an id occurs twice in a split"
        return result

    def description(self, dataset):
        return json.loads((self.prepared / dataset / "classes.json").read_text())

    def leftovers(self):
        """Return what lies among the prepared datasets, hidden folders included."""
        return sorted(path.name for path in self.prepared.glob("*")) + sorted(
            path.name for path in self.prepared.glob(".*")
        )


THINGS = [
    {"id": 1, "isthing": 1, "supercategory": "person", "name": "person"},
    {"id": 3, "isthing": 1, "supercategory": "vehicle", "name": "car"},
    {"id": 17, "isthing": 1, "supercategory": "animal", "name": "cat"},
    {"id": 18, "isthing": 1, "supercategory": "animal", "name": "dog"},
    {"id": 187, "isthing": 0, "supercategory": "sky", "name": "sky-other-merged"},
]
STUFF = [
    {"id": 92, "supercategory": "textile", "name": "banner"},
    {"id": 105, "supercategory": "plant", "name": "bush"},
    {"id": 124, "supercategory": "plant", "name": "grass"},
    {"id": 157, "supercategory": "sky", "name": "sky-other"},
    {"id": 183, "supercategory": "other", "name": "other"},
]


@pytest.fixture
def official(tmp_path):
    return Official(tmp_path)


@pytest.fixture
def things():
    """Categories of a panoptic JSON: animal, person and vehicle are things, sky is not."""
    return THINGS


@pytest.fixture
def stuff():
    """Categories of a stuff JSON: plant, sky, textile and other."""
    return STUFF
