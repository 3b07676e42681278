"""A funnel: numbers at bars that never grow."""

from __future__ import annotations

import pytest

from neurotopo.plots.funnel import FunnelDisplay


def test_bars_and_texts():
    display = FunnelDisplay.from_counts(["facts", "exact", "few", "none"], [1000, 900, 4, 0])
    assert [bar.get_width() for bar in display.bars_] == [1000, 900, 4, 0]
    texts = [text.get_text() for text in display.texts_]
    assert texts == ["1,000", "900 (90 %)", "4 (0.4 %)", "0 (0 %)"]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["facts", "exact", "few", "none"]
    low, high = display.ax_.get_ylim()
    assert low > high, "the first step is uppermost"


def test_no_facts():
    assert FunnelDisplay.from_counts(["facts", "exact"], [0, 0]).texts_[1].get_text() == "0 (0 %)"


@pytest.mark.parametrize("counts", [[1, 2], [2], [2, -1], [[2, 1]]])
def test_wrong_counts(counts):
    with pytest.raises(ValueError, match="counts must be"):
        FunnelDisplay(["a", "b"], counts)
