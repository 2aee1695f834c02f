"""The chat model: what the rest asks of one, and llama.cpp's answer to it.

Pieces of text are read once: the model evaluates them in order and keeps what attention needs of each token,
its cells. A prompt then looks at a few chosen pieces only: their cells are shared into a sequence of their
own, nothing is evaluated again, and the prompt is evaluated after them, seeing nothing else.
"""
from __future__ import annotations

import codecs
import ctypes
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from embeddings.files import stamped
from embeddings.weights import Progress
from rag.decoding import Permitted, latin, likeliest, log_softmax, near, repeated
from rag.errors import ModelError

ARTICLE, LOOK = 0, 1
"""Sequences of the context: the article being read, and the first one that looks at parts of it."""
SEQUENCES = 16
RESERVE = 1024
"""Cells left free for the question and the reply."""
OUTPUTS = 64
"""Logits taken from one evaluation, at most: each holds a number for every token of the vocabulary, 0.6 MB."""
MARK = "\u2063here\u2063"


@dataclass(frozen=True)
class Reading:
    """Pieces of text that a model has evaluated in order, each seeing all before it.

    `spans[i]` are the token positions (start, end) of piece i, after the first `instructions` ones.
    `state` holds the cells, as the model that made them saved them.
    """

    instructions: int
    spans: tuple[tuple[int, int], ...]
    state: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """A line of JSON, then the state.

        >>> Reading.from_bytes(Reading(2, ((2, 5),), b"cells").to_bytes())
        Reading(instructions=2, spans=((2, 5),))
        """
        return json.dumps([self.instructions, self.spans]).encode() + b"\n" + self.state

    @classmethod
    def from_bytes(cls, data: bytes) -> Reading:
        line, _, state = data.partition(b"\n")
        instructions, spans = json.loads(line)
        return cls(instructions, tuple((start, end) for start, end in spans), state)


class ChatModel(Protocol):
    """What `rag` needs of a chat model; any object with these fits."""

    name: str
    fingerprint: str
    """Changes whenever the same prompt could give another answer."""

    def count(self, text: str) -> int:
        """The number of tokens of a text."""

    def read(self, instructions: str, pieces: Sequence[str], progress: Progress | None = None) -> Reading:
        """Evaluate the pieces once, in order. Raises ModelError when they don't fit."""

    def weigh(self, reading: Reading, views: Sequence[Sequence[int]], before: str, text: str, after: str,
              choices: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """How likely a text is after `before`, and each choice as the reply after `after`, seeing some pieces alone.

        A view is the pieces seen. ln P of each token of the text: shape (views, tokens); of the first token of each
        choice: shape (views, choices); both float64.
        """

    def stream(self, reading: Reading, chosen: Sequence[int], prompt: str, *, script: tuple[str, ...], quoted: str,
               max_tokens: int, question: str = "") -> Iterator[str]:
        """The reply, greedily decoded, in growing pieces of text: one line, in letters of `script` or Latin ones of
        `quoted`, with numbers of `quoted` alone, that says more than the `question`; one that is cut ends with "…". Words
        that the chosen pieces make likelier are preferred."""


@dataclass
class _Line:
    """A text that goes on in a sequence of the context: the position after its cells, tokens that have none yet, and, where
    there are none such, the logits of what comes next."""

    end: int
    sequence: int
    unread: list[int]
    ahead: np.ndarray = field(default_factory=lambda: np.empty(0))


class Hold:
    """A lock on a model's context. A reply holds it from its first word to its last, whichever threads read it, so that no other
    changes what it sees. Until a reply is read to its end or closed, other threads wait for it.

    A thread that begins another before it has read the first to its end takes the context over: it would wait for itself.

    >>> hold, one, other = Hold(), [1], [2]
    >>> [hold.take(reply) for reply in (one, one, other, one)]
    [True, False, True, True]
    >>> hold.leave(other), hold.take(one)
    (None, False)
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._thread = 0

    def take(self, holder: object) -> bool:
        """Wait for the context and have it; whether another, or nobody, had it before."""
        here = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._holder is None or self._holder is holder or self._thread == here)
            taken = self._holder is not holder
            self._holder, self._thread = holder, here
            return taken

    def leave(self, holder: object) -> None:
        with self._changed:
            if self._holder is holder:
                self._holder = None
                self._changed.notify()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the context until the end of the block."""
        holder = object()
        self.take(holder)
        try:
            yield
        finally:
            self.leave(holder)


class LlamaCppModel:
    """A GGUF file run by llama.cpp. Safe to share between threads: one reading or reply at a time.

    `threads` should be the number of physical cores. `context` counts cells, those kept of an article and
    those of the question at hand; a cell takes 28 KB with the default weights. Raises ModelError when the
    file can't be loaded.
    """

    def __init__(self, path: Path, *, fingerprint: str = "", threads: int = 2, context: int = 6144) -> None:
        import llama_cpp

        self._api = llama_cpp
        self._hold = Hold()
        self._resident: Reading | None = None
        _silence(llama_cpp)
        if not path.is_file():
            raise ModelError(f"There is no model file {path}. --model takes a .gguf file, hf:REPO:FILE, default or small.")
        options = llama_cpp.llama_model_default_params()
        # Rearranged for the processor, the weights read prompts a third slower here and write a sixth faster: a question
        # is ten times as many tokens as its answer. Built with AMX by an older gcc, llama.cpp also crashes on them.
        options.use_extra_bufts = False
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), options)
        if not self._model:
            raise ModelError(f"llama.cpp can't load {path}: not a whole GGUF file of a known kind. Give another --model.")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, 512, 512
        params.n_seq_max, params.kv_unified, params.n_outputs_max = SEQUENCES, True, OUTPUTS
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            raise ModelError(f"llama.cpp can't make room for {context} tokens with {path}. Free some memory and try again.")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)
        self._pieces: dict[int, bytes] = {}
        self.threads, self.batch_size = threads, params.n_batch
        self.name = path.stem
        self.fingerprint = fingerprint or stamped(path)
        self._capacity = context - RESERVE

    def count(self, text: str) -> int:
        return len(self._tokens(text))

    def read(self, instructions: str, pieces: Sequence[str], progress: Progress | None = None) -> Reading:
        head, _ = self._frame
        tokens = self._tokens(head, special=True) + self._tokens(instructions)
        spans, beginning = [], len(tokens)
        for piece in pieces:
            added = self._tokens(piece)
            spans.append((len(tokens), len(tokens) + len(added)))
            tokens += added
        if len(tokens) > self._capacity:
            raise ModelError(f"A text of {len(tokens)} tokens does not fit into {self._capacity}. Ask fewer sentences at once.")
        with self._hold.alone():
            self._resident = None
            self._api.llama_memory_clear(self._memory, True)
            for at in range(0, len(tokens), self.batch_size):
                if progress:
                    progress("reading the article", at, len(tokens))
                self._decode([(t, at + i, ARTICLE, False) for i, t in enumerate(tokens[at : at + self.batch_size])])
            size = self._api.llama_state_seq_get_size(self._context, ARTICLE)
            buffer = (ctypes.c_uint8 * size)()
            self._api.llama_state_seq_get_data(self._context, buffer, size, ARTICLE)
            reading = Reading(beginning, tuple(spans), bytes(buffer))
            self._resident = reading
        if progress:
            progress("reading the article", len(tokens), len(tokens))
        return reading

    def weigh(self, reading: Reading, views: Sequence[Sequence[int]], before: str, text: str, after: str,
              choices: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        head, body = self._tokens(before), self._tokens(text)
        tokens = head + body + self._tokens(after) + self._tokens(self._frame[1], special=True)
        heard = [self._tokens(choice)[0] for choice in choices]
        # What is looked up where: the next token of the text after each token of it, the choices at the end.
        targets = {len(head) - 1 + i: [token] for i, token in enumerate(body)} | {len(tokens) - 1: heard}
        together = max(1, min(SEQUENCES - LOOK, RESERVE // len(tokens)))
        found: list[float] = []
        with self._hold.alone():
            self._restore(reading)
            for at in range(0, len(views), together):
                rows, wanted = [], list[list[int]]()
                for sequence, view in enumerate(views[at : at + together], LOOK):
                    position = self._show(reading, view, sequence)
                    rows += [(token, position + i, sequence, i in targets) for i, token in enumerate(tokens)]
                    wanted += targets.values()
                for logits, these in zip(self._decode_all(rows), wanted, strict=True):
                    found += log_softmax(logits)[these].tolist()
        table = np.array(found).reshape(len(views), len(body) + len(heard))
        return table[:, : len(body)], table[:, len(body) :]

    def stream(self, reading: Reading, chosen: Sequence[int], prompt: str, *, script: tuple[str, ...], quoted: str,
               max_tokens: int, question: str = "") -> Iterator[str]:
        tokens = self._tokens(prompt) + self._tokens(self._frame[1], special=True)
        decoder, text, written = codecs.getincrementaldecoder("utf-8")("ignore"), "", list[int]()
        names = {token for word in latin(quoted) for token in self._tokens(word) + self._tokens(f" {word}")}
        permitted = Permitted(script, quoted, {self._piece(token) for token in names}, question)
        try:
            for _ in range(max_tokens):
                if self._hold.take(written):  # at first, and where another reply was begun before this one was read to its end
                    seen, blind = self._lines(reading, chosen, tokens + written)
                logits = self._next(seen)
                logits[repeated(written)] = -np.inf
                choices = near(logits, partial(self._may, permitted, text, decoder.getstate()[0]))
                if not choices:
                    return
                token = likeliest(choices, logits, partial(self._next, blind) if chosen else None)
                written.append(token)
                seen.unread.append(token)
                blind.unread.append(token)
                piece = decoder.decode(self._piece(token))
                text += piece
                line, end, _ = piece.partition("\n")
                if line:
                    yield line
                if end:
                    return
            yield "…"
        finally:
            self._hold.leave(written)

    def _lines(self, reading: Reading, chosen: Sequence[int], tokens: Sequence[int]) -> tuple[_Line, _Line]:
        """The same tokens after the chosen pieces of a reading, and after none of them."""
        self._restore(reading)
        seen, blind = (_Line(self._show(reading, view, LOOK + n), LOOK + n, [*tokens]) for n, view in enumerate([chosen, []]))
        if chosen:
            self._go_on(seen, blind)  # twice in one evaluation costs less than in two
        return seen, blind

    def _may(self, permitted: Permitted, text: str, cut: bytes, token: int) -> bool:
        """Whether a token may come after a text and the first bytes of its next character."""
        piece = self._piece(token)
        return bool(piece) and permitted(text, cut + piece)

    def _next(self, line: _Line) -> np.ndarray:
        """The logits of what comes next in a text."""
        if line.unread:
            self._go_on(line)
        return line.ahead

    def _go_on(self, *lines: _Line) -> None:
        """Evaluate what texts have not, together."""
        rows = list[tuple[int, int, int, bool]]()
        for line in lines:
            last = len(line.unread) - 1
            rows += [(token, line.end + i, line.sequence, i == last) for i, token in enumerate(line.unread)]
        for line, logits in zip(lines, self._decode_all(rows), strict=True):
            line.end, line.unread, line.ahead = line.end + len(line.unread), [], logits.copy()

    def _restore(self, reading: Reading) -> None:
        """Have the reading's cells in the context, and nothing else."""
        api, memory = self._api, self._memory
        if self._resident is not reading:
            self._resident = None
            api.llama_memory_clear(memory, True)
            state = ctypes.cast(reading.state, ctypes.POINTER(ctypes.c_uint8))  # type: ignore[arg-type]
            if not api.llama_state_seq_set_data(self._context, state, len(reading.state), ARTICLE):
                raise ModelError("The kept reading of the article does not fit this model. Read it again with this one.")
            self._resident = reading
        for sequence in range(LOOK, SEQUENCES):
            api.llama_memory_seq_rm(memory, sequence, -1, -1)

    def _show(self, reading: Reading, chosen: Sequence[int], sequence: int) -> int:
        """Share the instructions' and the chosen pieces' cells into an own sequence: the position after them."""
        self._api.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        spans = [(0, reading.instructions), *(reading.spans[i] for i in sorted(chosen))]
        for begin, end in spans:
            self._api.llama_memory_seq_cp(self._memory, ARTICLE, sequence, begin, end)
        return spans[-1][1]

    def _decode_all(self, rows: Sequence[tuple[int, int, int, bool]]) -> Iterator[np.ndarray]:
        """Logits of the wanted rows, in order, evaluated in batches of so many rows and so many logits."""
        batch: list[tuple[int, int, int, bool]] = []
        for row in rows:
            if len(batch) == self.batch_size or row[3] and sum(r[3] for r in batch) == OUTPUTS:
                yield from self._decode(batch)
                batch = []
            batch.append(row)
        yield from self._decode(batch)

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> list[np.ndarray]:
        """Evaluate (token, position, sequence, wanted) rows: the logits of the wanted ones, in order, until the next call."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        if code := self._api.llama_decode(self._context, batch):
            raise ModelError(f"llama.cpp could not evaluate {len(rows)} tokens (code {code}). Ask a shorter question.")
        size = self._api.llama_vocab_n_tokens(self._vocabulary)
        return [
            np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, i), (size,))
            for i, row in enumerate(rows)
            if row[3]
        ]

    def _tokens(self, text: str, special: bool = False) -> list[int]:
        """Token ids; names of control tokens in the text stay plain text unless `special`."""
        data = text.encode("utf-8", "replace")
        ids = (ctypes.c_int32 * (len(data) + 8))()
        number = self._api.llama_tokenize(self._vocabulary, data, len(data), ids, len(ids), False, special)
        return list(ids[:number])

    def _piece(self, token: int) -> bytes:
        """What a token stands for; a line break for one that ends a reply."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(256)
            size = self._api.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
            ends = self._api.llama_vocab_is_eog(self._vocabulary, token)
            self._pieces[token] = b"\n" if ends else buffer.raw[: max(0, size)]
        return self._pieces[token]

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """What the model's own chat template puts before and after a user's message."""
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        source = self._api.llama_model_chat_template(self._model, None)
        if not source:
            return "", "\n"
        template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source.decode())
        messages = [{"role": "user", "content": MARK}]
        head, _, tail = template.render(messages=messages, add_generation_prompt=True, bos_token="").partition(MARK)
        return head, tail


_quiet: Any = None


def _silence(api: Any) -> None:
    global _quiet
    _quiet = api.llama_log_callback(lambda level, text, data: None)  # kept: ctypes callbacks must outlive their use
    api.llama_log_set(_quiet, ctypes.c_void_p(0))
