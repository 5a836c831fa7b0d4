"""Sentences of a model's answer while it is still being written."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import msgspec

from service.answers import AnswerSentence, read_answer
from service.errors import LLMOutputError
from service.run import DraftedSentence, Event, Restart

_MOST_SENTENCES = 200
_LONGEST_PROSE = 8_000  # characters, since all of it is read again with each sentence
_JSON_BEGINS = frozenset("{[`")
_MARK = re.compile(r'["{}\[]')
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_KEY_BEFORE = re.compile(r'"(\w+)"\s*:\s*$')
_QUOTES_KEYS = frozenset(("quotes", "key_quotes", "quote_ids"))
_SENTENCE_MAY_END = re.compile(r"[.!?…。！？؟।\n]")

_decoder = msgspec.json.Decoder(AnswerSentence)


class PartialAnswer:
    """Hears an answer (see `TextListener`) and tells of each of its sentences as soon as that is whole.

    It is a preview: the whole answer is read by `read_answer`, which knows more ways to be wrong. Of JSON it
    finds the objects with a `text`; of prose, all sentences but the last. `tell` is given the sentences, and
    a `Restart` when an answer that sentences were told of is begun anew.
    """

    def __init__(self, tell: Callable[[Event], object]) -> None:
        self._tell = tell
        self._told = 0
        self._text = ""
        self._at = 0
        self._objects: list[int] = []
        self._among_quotes = False

    def begin(self) -> None:
        """See `TextListener.begin`."""
        if self._told:
            self._tell(Restart())
        self._told, self._text, self._at = 0, "", 0
        self._objects.clear()
        self._among_quotes = False

    def add(self, text: str) -> None:
        """See `TextListener.add`."""
        self._text += text
        begin = self._text.lstrip()[:1]
        if begin in _JSON_BEGINS:
            self._scan()
        elif begin and len(self._text) < _LONGEST_PROSE and _SENTENCE_MAY_END.search(text):
            self._read_prose()

    def _scan(self) -> None:
        """Go on through JSON, from where the last whole string or bracket ended."""
        while mark := _MARK.search(self._text, self._at):
            character, start = mark[0], mark.start()
            if character == '"':
                string = _STRING_END.match(self._text, start + 1)
                if string is None:
                    return
                self._at = string.end()
                continue
            self._at = start + 1
            if character == "[":
                key = _KEY_BEFORE.search(self._text, 0, start)
                self._among_quotes = key is not None and key[1] in _QUOTES_KEYS
            elif character == "{":
                self._objects.append(start)
            elif self._objects:
                self._read_object(self._text[self._objects.pop() : self._at])

    def _read_object(self, json: str) -> None:
        if self._among_quotes:
            return
        with suppress(msgspec.MsgspecError):  # some other object, or the whole answer
            self._tell_of(_decoder.decode(json).text)

    def _read_prose(self) -> None:
        if "{" in self._text:
            return  # JSON after a preamble
        try:
            sentences = read_answer(self._text).answer.sentences
        except LLMOutputError:
            return
        for sentence in sentences[self._told : -1]:
            self._tell_of(sentence.text)

    def _tell_of(self, text: str) -> None:
        if text.strip() and self._told < _MOST_SENTENCES:
            self._tell(DraftedSentence(self._told, " ".join(text.split())))
            self._told += 1
