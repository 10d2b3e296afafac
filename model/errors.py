"""What can go wrong with a model. All of it is fatal: a worker must not start, or an artifact must not be written."""

from __future__ import annotations


class ModelError(Exception):
    """Base of the package; fatal: trying again gives the same result."""


class UnsupportedModelError(ModelError):
    """The estimator cannot be compiled into tables with exact reasons."""


class VerificationError(ModelError):
    """The compiled tables differ from the estimator or from shap, so the artifact is not written."""


class ArtifactError(ModelError):
    """The artifact directory cannot be used."""


class SchemaMismatchError(ArtifactError):
    """The artifact was trained on other features than this program computes."""


class VectorError(ModelError, ValueError):
    """The vectors do not have the shape or type that the model was compiled for."""


class TrainingError(ModelError):
    """The history cannot train, calibrate or evaluate a model."""
