"""Metrics as people read them."""

from __future__ import annotations

from django import template

from personas import words

register = template.Library()
register.filter("share", words.share)
register.filter("three_decimals", words.three_decimals)
