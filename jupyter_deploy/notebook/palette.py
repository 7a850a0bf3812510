"""The colours of figures: those of a saved picture, and of the live dashboard (`palette.ts`).

Rule 1: one colour means one thing in both; a test holds the two files together.  Rule 2: each
stands out, 3:1, from the grounds of JupyterLab's light, dark and high-contrast themes, as nobody
knows on which of them a picture will be seen.
"""

from __future__ import annotations

#: Distinct ones, in the order in which they are used.
SERIES = ("#1e88e5", "#d97706", "#a663cc", "#2e9e5b", "#d6568c")
#: What callers have done wrong.
WARN = "#d97706"
#: What went wrong on our side.
BAD = "#d84343"
#: What others are compared with.
CALM = "#8a8a8a"
#: Behind all of it: a theme's own lines are as bright as the data in high contrast.
GRID = "#88888844"
