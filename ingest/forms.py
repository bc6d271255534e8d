"""What people send to pages that look at pictures."""

from __future__ import annotations

from django import forms

from personas.forms import CommandForm


class FindForm(forms.Form):
    """One picture, to be looked at and forgotten."""

    picture = forms.FileField()


class DrawForm(CommandForm):
    """A box in pixels of the upright picture."""

    x = forms.FloatField()
    y = forms.FloatField()
    width = forms.FloatField(min_value=0)
    height = forms.FloatField(min_value=0)
