"""Balance of power: how often a discriminator plays, adapted to hold its accuracy near a target."""

from math import exp

from zerosum.game import Turn

SPEED = 0.1
"""Of adaptation: an accuracy 0.1 too high makes the next plays 1 % rarer."""
SLOWEST, FASTEST = 1 / 8, 4.0
"""Bounds of the pace."""


class Balance:
    """Plays of every turn in a step. With a target, a player that reports an accuracy plays `pace` times what its turn says.

    Args:
        target: accuracy in (0.5, 1) to hold, the share of pairs of a real and a generated example that are ranked rightly;
            None: everybody plays as the family says.
    """

    def __init__(self, target: float | None) -> None:
        self.target = target
        self.pace: dict[str, float] = {}
        self._owed: dict[str, float] = {}

    def plays(self, turn: Turn, step: int) -> int:
        """How often the turn is played in that step; called once for each."""
        plays = turn.repeat(step) if callable(turn.repeat) else turn.repeat
        if turn.player not in self.pace or turn.every > 1:
            return plays
        owed = self._owed.get(turn.player, 0.0) + plays * self.pace[turn.player]
        self._owed[turn.player] = owed - int(owed)
        return int(owed)

    def adapt(self, player: str, accuracy: float) -> None:
        """Take notice of a player's accuracy in a play."""
        if self.target is not None:
            pace = self.pace.get(player, 1.0) * exp(-SPEED * (accuracy - self.target))
            self.pace[player] = min(max(pace, SLOWEST), FASTEST)

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Plain numbers."""
        return {"pace": dict(self.pace), "owed": dict(self._owed)}

    def load_state_dict(self, saved: dict[str, dict[str, float]]) -> None:
        """Take over what `state_dict` gave."""
        self.pace, self._owed = dict(saved["pace"]), dict(saved["owed"])
