r"""Measurements of linvop: speed, accuracy and memory, each beside its yardstick.

Every figure that the documentation quotes comes from ``linvop bench speed``, ``accuracy`` or
``memory``, and the thing it is compared with is measured in the same process.
"""
