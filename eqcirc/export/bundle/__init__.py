"""The hand-off to fabrication: a folder that a board house or a chip group can build from and check without Python.

A circuit becomes a `Structure` (`build`), which `spice`, `cdl` and others write down; `golden` says what it must do,
`folder` writes everything with a manifest. What is in each file: docs/fabrication.md.
"""
