"""All that training changes, and nothing else: networks, their average, optimisers and two counters."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from zerosum.game import GAN, Turn
from zerosum.recipe import Average, Optimiser
from zerosum.training.balance import Balance


class State:
    """The state of a run. Two runs with equal states, recipes and data go on to be equal for ever.

    Args:
        gan: the networks, in training mode on their device.
        optimisers: one setting per player.
        batch: images in a batch.
        balance: accuracy that discriminators are held to, see `Balance`.
        freeze: beginnings of the names of weights that are not trained.
        scaled: multiply losses by a scale, so that gradients in float16 do not vanish (Micikevicius et al. 2018, sec. 3.2).

    Raises:
        ValueError: optimisers and players do not fit, a name to freeze means nothing, or a player would have no weight left.
    """

    def __init__(
        self,
        gan: GAN,
        optimisers: Mapping[str, Optimiser],
        batch: int,
        balance: float | None = None,
        freeze: Sequence[str] = (),
        scaled: bool = False,
    ) -> None:
        self.gan = gan
        self.average = gan.for_sampling()
        self.batch = batch
        self.step = 0
        self.draws = 0
        self.balance = Balance(balance)
        self.settings = dict(optimisers)
        frozen = freeze_weights(gan, freeze)
        self.parameters = {
            name: [parameter for parameter in player.parameters() if id(parameter) not in frozen]
            for name, player in gan.players().items()
        }
        if set(self.settings) != set(self.parameters):
            players = sorted(self.parameters)
            raise ValueError(f"the recipe has optimisers for {sorted(self.settings)}, the players are {players}")
        self.optimisers = {
            name: make_optimiser(self.settings[name], parameters, laziness(name, gan.turns()))
            for name, parameters in self.parameters.items()
        }
        device = next(gan.parameters()).device.type
        self.scalers = {name: torch.amp.GradScaler(device, enabled=scaled) for name in self.parameters}
        weights, buffers = dict(gan.named_parameters()), dict(gan.named_buffers())
        self._averaged = [(average, weights[name]) for name, average in self.average.named_parameters()]
        self._copied = [(copy, buffers[name]) for name, copy in self.average.named_buffers()]

    @property
    def images(self) -> int:
        """Images seen: steps x batch."""
        return self.step * self.batch

    def rates(self) -> dict[str, float]:
        """Every player's learning rate at the images seen."""
        return {name: settings.rate(self.images) for name, settings in self.settings.items()}

    def set_rates(self) -> None:
        """Bring every optimiser to its schedules' values at the images seen."""
        for name, optimiser in self.optimisers.items():
            group, settings = optimiser.param_groups[0], self.settings[name]
            group["lr"] = settings.rate(self.images) * group["lazy"]
            if "momentum" in group:
                group["momentum"] = settings.momentum(self.images)
            if "betas" in group:
                group["betas"] = (group["betas"][0], settings.beta2(self.images) ** group["lazy"])

    @torch.no_grad()
    def update_average(self, settings: Average) -> None:
        """Move the average towards the weights by one step: weight 2^(-batch / half-life); buffers are copied."""
        half_life = settings.half_life(self.images) if self.images > settings.start else 0.0
        if settings.ramp_up is not None:
            half_life = min(half_life, settings.ramp_up * self.images)
        keep = 0.5 ** (self.batch / half_life) if half_life > 0 else 0.0
        torch._foreach_lerp_([average for average, _ in self._averaged], [weight for _, weight in self._averaged], 1 - keep)
        for copy, buffer in self._copied:
            copy.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain numbers only, so that it loads without running code."""
        return {
            "gan": self.gan.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "step": self.step,
            "draws": self.draws,
            "balance": self.balance.state_dict(),
            "scalers": {name: scaler.state_dict() for name, scaler in self.scalers.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.gan.load_state_dict(saved["gan"])
        self.average.load_state_dict(saved["average"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(saved["optimisers"][name])
        for name, scaler in self.scalers.items():
            if scaler.is_enabled():
                scaler.load_state_dict(saved["scalers"][name])
        self.step, self.draws = saved["step"], saved["draws"]
        self.balance.load_state_dict(saved["balance"])

    def is_finite(self) -> bool:
        """Whether no weight and no buffer is NaN or infinite."""
        values = [value for value in self.gan.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack([norm.float() for norm in torch._foreach_norm(values)]).isfinite().all())


def freeze_weights(gan: GAN, names: Sequence[str]) -> set[int]:
    """Keep weights from being trained.

    Args:
        names: beginnings of their names, whole up to a dot: `discriminator.layers.0` has `discriminator.layers.0.weight`.

    Returns:
        The ids of these weights.

    Raises:
        ValueError: a name that no weight begins with, or a player without a weight that is trained.
    """
    frozen = set[int]()
    for name in names:
        found = [weight for full, weight in gan.named_parameters() if f"{full}.".startswith(f"{name}.")]
        if not found:
            parts = sorted({".".join(full.split(".")[:3]) for full, _ in gan.named_parameters()})
            raise ValueError(f"train.freeze {name!r} is the beginning of no weight's name; there are {', '.join(parts)}")
        frozen |= {id(weight.requires_grad_(False)) for weight in found}
    for name, player in gan.players().items():
        if all(id(weight) in frozen for weight in player.parameters()):
            raise ValueError(f"train.freeze leaves the player {name!r} nothing to train; freeze some of its layers only")
    return frozen


def take_over(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> tuple[list[str], list[str]]:
    """Copy the values that a module has a place for: those of the same name and shape.

    Returns:
        The names taken over, and those of the module's own that are left as they were.
    """
    own = module.state_dict()
    fitting = [name for name, value in own.items() if name in weights and weights[name].shape == value.shape]
    module.load_state_dict({name: weights[name] for name in fitting}, strict=False)
    return fitting, [name for name in own if name not in fitting]


def laziness(player: str, turns: list[Turn]) -> float:
    """Adam's correction c = n / (n + 1) for a player with a lazy turn on every n-th step (Karras et al. 2020, appendix B)."""
    lazy = [turn.every for turn in turns if turn.player == player and is_lazy(turn, turns)]
    return lazy[0] / (lazy[0] + 1) if lazy else 1.0


def is_lazy(turn: Turn, turns: list[Turn]) -> bool:
    """Whether the turn is an occasional addition to one that its player plays on every step."""
    return turn.every > 1 and any(other.player == turn.player and other.every == 1 for other in turns)


def make_optimiser(settings: Optimiser, parameters: Sequence[nn.Parameter], lazy: float) -> torch.optim.Optimizer:
    """The torch optimiser of one player, its rate and betas corrected for lazy regularisation."""
    rate, decay = settings.rate(0), settings.weight_decay
    optimiser: torch.optim.Optimizer
    if settings.kind == "sgd":
        optimiser = torch.optim.SGD(parameters, rate, settings.momentum(0), weight_decay=decay, fused=True)
    elif settings.kind == "rmsprop":
        momentum = settings.momentum(0)
        alpha = settings.beta2(0)
        optimiser = torch.optim.RMSprop(parameters, rate, alpha, settings.eps, decay, momentum, foreach=True)
    else:
        kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
        betas = (settings.beta1**lazy, settings.beta2(0) ** lazy)
        optimiser = kind(parameters, rate, betas, settings.eps, decay, fused=True)
    optimiser.param_groups[0]["lazy"] = lazy
    return optimiser
