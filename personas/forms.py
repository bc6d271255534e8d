"""What people send: parsed once, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from personas.entities import FaceKey, Verdict
from personas.errors import FaceProjectError
from personas.names import normal


class UnableToReadFormError(FaceProjectError):
    """A form that misses something or holds what it cannot; the message says which field."""


def cleaned(form: forms.Form) -> dict[str, Any]:
    """The form's values. Raises UnableToReadFormError in words for the person who sent it."""
    if form.is_valid():
        return form.cleaned_data
    said = "; ".join(
        str(text) if field == "__all__" else f"{field.replace('_', ' ')}: {text}"
        for field, errors in form.errors.items()
        for text in errors
    )
    raise UnableToReadFormError(f"The form could not be read ({said}). Reload the page and try again.")


class FaceKeyField(forms.CharField):
    """`image_id:face_no`"""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return _face_key(text) if text else None


class FaceKeysField(forms.MultipleChoiceField):
    """Several `image_id:face_no`; which of them exist is for the service to say."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> Any:
        return tuple(_face_key(text) for text in super().to_python(value))

    def validate(self, value: Iterable[FaceKey]) -> None:
        if self.required and not value:
            raise ValidationError("no face was named")


def _face_key(text: str) -> FaceKey:
    try:
        return FaceKey.parse(text)
    except ValueError as error:
        raise ValidationError("this does not name a face") from error


class CommandForm(forms.Form):
    """Every form that changes something carries the id of its command, so that sending it twice does it once."""

    command_id = forms.UUIDField()


class NameForm(CommandForm):
    name = forms.CharField(max_length=400)


class CoverForm(CommandForm):
    face = FaceKeyField(required=False)


class UndoForm(forms.Form):
    """The id of the command to take back; that of the undo follows from it."""

    undo = forms.UUIDField()


class HideForm(CommandForm):
    hidden = forms.BooleanField(required=False)


class MergeForm(CommandForm):
    """Whom a persona becomes part of, by id or by name."""

    into = forms.CharField(max_length=64, required=False)
    name = forms.CharField(max_length=400, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not values.get("into") and not values.get("name"):
            raise ValidationError("type a name, or pick one")
        return values


class SkipForm(forms.Form):
    """A face that somebody leaves for later."""

    face = FaceKeyField()


class AboveForm(forms.Form):
    """How sure a version must be of a face, per cent."""

    above = forms.DecimalField(min_value=50, max_value=100, max_digits=6, decimal_places=3, required=False)


class ConfirmForm(CommandForm):
    """Everything that a version names with at least this probability (per cent), as the page before showed it."""

    above = forms.DecimalField(min_value=50, max_value=100, max_digits=6, decimal_places=3)
    version = forms.IntegerField(min_value=0)
    shown = forms.RegexField(r"^[0-9a-f]{64}$")


class LabelForm(CommandForm):
    """Faces, and what is said of them: a verdict with a persona's id, or with a name.

    Instead of faces, a group of unknown ones as the edition of groups that the page showed has it, less those left out.

    A button can send only one value: `choice` is a verdict and a persona in one, "belongs:<persona id>".
    """

    faces = FaceKeysField(required=False)
    group = forms.RegexField(r"^[0-9a-f]{16}$", required=False)
    edition = forms.RegexField(r"^[0-9a-f]{64}$", required=False)
    left_out = FaceKeysField(required=False)
    verdict = forms.ChoiceField(choices=[(verdict.value, verdict.value) for verdict in Verdict], required=False)
    persona_id = forms.CharField(max_length=64, required=False)
    name = forms.CharField(max_length=400, required=False)
    choice = forms.CharField(max_length=120, required=False)
    view = forms.ChoiceField(choices=[("tile", "tile"), ("picture", "picture")], required=False)
    page_of = forms.CharField(max_length=64, required=False)
    tab = forms.CharField(max_length=20, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not values.get("faces") and not (values.get("group") and values.get("edition")):
            raise ValidationError("no face was named")
        if values.get("choice"):
            values["verdict"], _, values["persona_id"] = values["choice"].partition(":")
            values["name"] = ""
        try:
            values["verdict"] = Verdict(values.get("verdict") or Verdict.BELONGS)
        except ValueError as error:
            raise ValidationError("verdict must be belongs, rejected or cleared") from error
        values["name"] = normal(values.get("name") or "")
        if not values.get("persona_id") and not values["name"]:
            raise ValidationError("type a name, or pick one")
        if values["verdict"] is not Verdict.BELONGS and not values.get("persona_id"):
            raise ValidationError("say which person is meant")
        return values
