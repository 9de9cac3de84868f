"""The projection head, used in training only and discarded afterwards."""

from torch import Tensor, nn

from neco.config.training import Head


class ProjectionHead(nn.Module):
    """Three linear layers with GELU between them. Source: paper, appendix A.1 (after DINO)."""

    def __init__(self, dim: int, settings: Head) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, settings.hidden),
            nn.GELU(),
            nn.Linear(settings.hidden, settings.output),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (..., output) for tokens (..., dim)."""
        return self.layers(tokens)
