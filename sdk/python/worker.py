"""The contract's resource `converter`. componentize-py looks for its class in a module of this name."""

from dynamo_worker._export import Converter

__all__ = ["Converter"]
