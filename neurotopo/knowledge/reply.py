"""Reply of a model to one wording of a fact."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reply"]


@dataclass(frozen=True)
class Reply:
    """Reply of a model to one wording of a fact.

    Attributes
    ----------
    exact : bool
        Whether the most probable tokens spell an accepted answer.
    answer : str or None
        That answer; of several the most probable one. None if the reply is not exact.
    log_p : float or None
        Its log-probability, the sum over its tokens.
    margin : float or None
        ``log_p`` minus the log-probability of the strongest foil; None without foils.
    foil : str or None
        The strongest foil.
    n_foils : int
        Number of foils compared.
    problem : str or None
        Why the model could not be asked.

    Examples
    --------
    >>> from neurotopo.knowledge.reply import Reply
    >>> Reply(exact=True, answer="Paris", log_p=-0.1, margin=2.5, foil="Rome", n_foils=40).known(1)
    True
    """

    exact: bool
    answer: str | None = None
    log_p: float | None = None
    margin: float | None = None
    foil: str | None = None
    n_foils: int = 0
    problem: str | None = None

    def known(self, margin: float | None) -> bool:
        """Tell whether the reply is exact and, unless it is None, has at least a margin."""
        return self.exact and (
            margin is None or (self.margin is not None and self.margin >= margin)
        )
