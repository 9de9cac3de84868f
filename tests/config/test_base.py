"""The unknown and the impossible are refused by name; layers are merged."""

from neco.config.base import merged
from tests.config.refusal import refused


def test_unknown_keys_are_named_with_the_nearest():
    refused({"run": {}}, "unknown key 'run'; did you mean 'runs'")
    refused({"in_context": {"neighbors": 3}}, "'in_context.neighbors'; did you mean 'neighbours'")
    refused({"runs": {"a": {"backbon": "x"}}}, r"'runs.a.backbon'; did you mean 'backbone'")
    refused({"evaluations": [{"protocol": "linear", "dataset": ["x"]}]}, "did you mean 'datasets'")
    refused(
        {"runs": {"a": {"backbone": "x", "train": {"loss": {"two_wy": 1}}}}},
        "runs.a.train: unknown key 'loss.two_wy'; did you mean 'two_way'",
    )
    refused({"report": {"tables": ["11"]}}, r"report\.tables\.0")


def test_impossible_values_are_named():
    refused(
        {"in_context": {"neighbours": 0}}, "in_context.neighbours: .*greater than or equal to 1"
    )
    refused({"runs": {"a": {"backbone": "x", "train": {"preset": "papr"}}}}, "did you mean 'paper'")
    refused({"in_context": {"seeds": []}}, "in_context.seeds: .*at least 1 item")
    refused({"in_context": {"fractions": [0]}}, "in_context.fractions.0: .*equal to 1")
    refused({"consistency": {"crop_scale": [1.0, 0.25]}}, "1.0 is more than 0.25; the smallest")
    refused({"consistency": {"crop_scale": [0.5, 5]}}, "crop_scale.1: .*equal to 1")
    refused({"in_context": {"temperature": float("inf")}}, "temperature: .*finite number")
    refused({"unsupervised": {"search_weight": [0.01, 0.1, 0]}}, "search_weight.2: .*than 0")
    refused({"unsupervised": {"search_clusters": [9, 4, 1]}}, "9 is more than 4")
    refused({"segmenter": {"learning_rates": []}}, "learning_rates: .*at least 1 item")
    wrong = {"a": {"backbone": "x", "train": {"seed": -1}}}
    refused({"runs": wrong}, "seed: .*greater than or equal to 0")
    refused({"overcluster": {"seeds": [2**31]}}, "overcluster.seeds.0: .*less than 2147483648")


def test_merging_leaves_both_alone():
    base, over = {"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}
    assert merged(base, over) == {"a": {"b": 3, "c": 2}}
    assert base == {"a": {"b": 1, "c": 2}} and over == {"a": {"b": 3}}
