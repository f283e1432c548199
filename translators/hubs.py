"""Functions and classes of libraries that exist to find and load trained weights: what they are without any.

They look weights up, download them, and wrap or adapt the model; what stays is the call of the model's class with the
keyword arguments. Each entry stands in emitted code for the definition of that name.
"""

from __future__ import annotations

_BUILD = '''def build_model_with_cfg(model_cls, variant, pretrained=False, pretrained_cfg=None, default_cfg=None,
                         pretrained_cfg_overlay=None, model_cfg=None, feature_cfg=None, pretrained_strict=True,
                         pretrained_filter_fn=None, cache_dir=None, kwargs_filter=None, pretrained_model_args=None,
                         pretrained_custom_load=False, **kwargs):
    """The model as its class makes it: without trained weights, pruning or a wrapper for features."""
    kwargs.setdefault("in_chans", 3)
    for name in ("pruned", "features_only", "out_indices", "feature_cls", *(kwargs_filter or ())):
        kwargs.pop(name, None)
    return model_cls(**kwargs) if model_cfg is None else model_cls(cfg=model_cfg, **kwargs)
'''

_NO_CONFIGURATION = '''def resolve_pretrained_cfg(*args, **kwargs):
    """The record of no trained weights."""

    class PretrainedCfg:
        tag = ""
        architecture = ""

    return PretrainedCfg()
'''

_WEIGHTS = '''class WeightsEnum:
    """No trained weights: whatever is asked for, there is none."""

    @classmethod
    def verify(cls, obj):
        return None
'''

BUILDERS = {f"timm.models.{module}.build_model_with_cfg": _BUILD for module in ("_builder", "helpers")}

DEFINITIONS = BUILDERS | {
    "timm.models._builder.resolve_pretrained_cfg": _NO_CONFIGURATION,
    "torchvision.models._api.WeightsEnum": _WEIGHTS,
}
"""Qualified name -> the text that is emitted instead of the definition."""

NAMES_ONLY = ("torchvision.models._api.WeightsEnum",)
"""Classes whose subclasses hold nothing but descriptions of weights: of these only the names are emitted."""

TRANSPARENT_DECORATORS = ("torchvision.models._utils.handle_legacy_interface",)
"""Decorators that translate old spellings of which weights to load."""
