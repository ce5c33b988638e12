"""Few-shot methods for two-tower models that the plugin does not ship, and their comparison.

CoOp, KgCoOp, CoCoOp, MaPLe, BiomedCoOp, LP++, Tip-Adapter and variants of dual anchors, under one
set of hyper-parameters and eleven wordings of the prompts. None of them wins a row of
`docs/results/biomed.md`; `scionwood biomed evaluate` compares what the plugin has.
"""
