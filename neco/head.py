"""The projection head, used in training only and discarded afterwards."""

from torch import Tensor, nn

from neco.config.training import Head


class ProjectionHead(nn.Module):
    """Three linear layers with GELU between them. Source: paper, appendix A.1 (after DINO).

    `output` is the size of what it returns; without layers that is the size of the tokens.
    """

    def __init__(self, dim: int, settings: Head) -> None:
        super().__init__()
        sizes = [dim, *[settings.hidden] * (settings.layers - 1), settings.output]
        self.output = settings.output if settings.layers else dim
        self.layers = nn.Sequential()
        for number in range(settings.layers):
            layer = nn.Linear(sizes[number], sizes[number + 1])
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
            if number:
                self.layers.append(nn.GELU())
            self.layers.append(layer)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (..., output) for tokens (..., dim)."""
        return self.layers(tokens)
