"""The projection head, which training puts behind the backbone and discards at its end.

Tokens (..., dim) come in, projected tokens (..., D) come out.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from neco.config.training import Head


class ProjectionHead(nn.Module):
    """Linear layers with GELU between them. Source: paper, appendix A.1; released code.

    dim: the length of a token. `output` is D, the length of a projected token. Without layers, and
    as a residual, it is `dim`. As a rotation or principal components it is at most `dim`.
    """

    def __init__(self, dim: int, settings: Head) -> None:
        super().__init__()
        self.residual = settings.start == "residual"
        self.normalised = settings.normalised
        as_tokens = self.residual or not settings.layers
        turned = settings.start in ("orthogonal", "principal")
        widest = min(settings.output, dim) if turned else settings.output
        self.output = dim if as_tokens else widest
        sizes = [dim, *[settings.hidden] * (settings.layers - 1), self.output]
        sizes = sizes if settings.layers else []
        linear = [nn.Linear(wide, narrow) for wide, narrow in pairwise(sizes)]
        if settings.start != "uniform":
            for layer in linear:
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        if settings.start == "orthogonal":
            nn.init.orthogonal_(linear[0].weight)
        if self.residual:
            nn.init.zeros_(linear[-1].weight)
        self.layers = nn.Sequential(*linear[:1])
        for layer in linear[1:]:
            self.layers.extend([nn.GELU(), layer])

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (..., output) for tokens (..., dim)."""
        projected = self.layers(tokens)
        if self.residual:
            projected = tokens + projected
        return normalize(projected, dim=-1) if self.normalised else projected

    @torch.no_grad()
    def fit(self, tokens: Tensor) -> None:
        """Make the only layer the projection to the principal components of tokens (N, dim).

        Where tokens have fewer components than the layer has outputs, directions at right angles to
        the components take the place of the others.
        """
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)  # noqa: S101 (for mypy)
        mean = tokens.float().mean(dim=0)
        _, _, directions = torch.linalg.svd(
            tokens.float() - mean, full_matrices=len(tokens) < self.output
        )
        layer.weight.copy_(directions[: self.output])
        layer.bias.copy_(-layer.weight @ mean)
