# SPDX-License-Identifier: Apache-2.0
"""Plain words for what the record holds, each explained once on `/about/trust`.

Pages use these labels and no synonyms (DESIGN section 1); every label links to its explanation. The registry
says "signed and recorded" and never more: whether to trust a model is the reader's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "CHILD_LEVELS",
    "CHILD_RELATIONS",
    "COMPONENTS",
    "CONTRADICTED",
    "DATASET_LEVELS",
    "GLOSSARY",
    "KINDS",
    "LEVELS",
    "MATCHES",
    "NOTICED",
    "RELATIONS",
    "STAGES",
    "STANCES",
    "Term",
    "generation",
]


@dataclass(frozen=True)
class Term:
    """A label as pages write it, the standard's word for it, and one sentence that explains it."""

    label: str
    technical: str
    meaning: str


GLOSSARY: Final[dict[str, Term]] = {
    "model_digest": Term(
        "fingerprint of all files",
        "model digest",
        "One number computed from the path, size and SHA-256 of every file of a model, except its README; "
        "change, add or remove one byte and it is another number. It is the identity of a model here.",
    ),
    "weights_digest": Term(
        "fingerprint of the weights",
        "weights digest",
        "One number computed from the names, types, shapes and bytes of all tensors; it stays the same when "
        "the same weights are cut into other files.",
    ),
    "root_digest": Term(
        "root digest",
        "OMS subject",
        "The number that an OpenSSF Model Signing signature is made over; file names are not part of it, so "
        "it serves to look things up and never alone as an identity.",
    ),
    "statement": Term(
        "signed statement",
        "in-toto statement in a Sigstore bundle",
        "A small document that says something about a model, together with the signature of whoever says so.",
    ),
    "signer": Term(
        "signer",
        "key, certificate or Sigstore identity",
        "Whoever made a signature: the holder of a key, or of an online account that Sigstore checked at "
        "that moment. It is the only name on a page that somebody had to prove.",
    ),
    "key": Term(
        "signed with a key",
        "public key",
        "Made by whoever holds one private key. The key is shown by its fingerprint; whose key it is, you "
        "must know from elsewhere.",
    ),
    "account": Term(
        "signed with an online account",
        "Sigstore identity",
        "Made by somebody who was logged in to the named account at the named provider when signing.",
    ),
    "certificate": Term(
        "signed with a certificate",
        "X.509 certificate below an anchor",
        "Made with a key that the named authority certified for the named holder.",
    ),
    "namespace": Term(
        "namespace",
        "namespace/v1",
        "The first part of a model's name. Whoever claimed it first owns it here; it proves nothing about a "
        "company or person of the same name, so look at the signer beside it.",
    ),
    "entry": Term(
        "entry",
        "leaf of the log",
        "One numbered line of the public record. It binds a signed statement by its digest and can never be "
        "changed or taken out without everybody being able to notice.",
    ),
    "checkpoint": Term(
        "state of the public record",
        "checkpoint, signed tree head",
        "A short signed note of the log: so many entries, and one number computed from all of them.",
    ),
    "receipt": Term(
        "proof of recording",
        "receipt, tlog-proof",
        "The few numbers that lead from one entry to a signed state of the public record; with them anyone "
        "can check, offline, that the entry is in it.",
    ),
    "record_file": Term(
        "record file",
        "provenance.jsonl",
        "All signed statements about one release with their proofs of recording, in one file to keep beside "
        "the model.",
    ),
    "witness": Term(
        "independent co-signer",
        "witness",
        "Somebody else's machine that signs the state of the record too, after checking that nothing was "
        "taken out; it makes showing different records to different people visible.",
    ),
    "log_key": Term(
        "log key",
        "vkey",
        "The public key that checks the log's signature. Take it from a place you trust, not only from this "
        "page, and compare its fingerprint.",
    ),
    "recorded": Term(
        "recorded",
        "received",
        "When this registry took a statement, by its own clock: good for reading, no proof of time.",
    ),
    "admission": Term(
        "checked on admission",
        "admission",
        "This registry checked it before recording and would have refused it otherwise. For you that is the "
        "registry's word until you check it yourself.",
    ),
    "yours": Term(
        "only you can check",
        "steps 1, 2 and 11",
        "The registry never has the weights. Whether the files on your disk are the ones that were signed "
        "can only be seen where the files are.",
    ),
    "reported": Term(
        "reported",
        "reported",
        "One party says so and it is not proved; for absence, such as 'nothing was withdrawn', no proof of "
        "recording can exist.",
    ),
    "card": Term(
        "model card",
        "card",
        "What the publisher discloses about a model. The signature shows who said it and that it has not "
        "changed, not that it is true.",
    ),
    "openness": Term(
        "openness",
        "Model Openness Framework",
        "Which of 17 components of a model, from weights to training data, are released under open licences. "
        "Class III is the first class, class I asks for everything.",
    ),
    "osaid": Term(
        "Open Source AI Definition",
        "OSAID 1.0",
        "The Open Source Initiative's word for what makes an AI system open source: information about the "
        "data, the code, and the parameters.",
    ),
    "lineage": Term(
        "lineage",
        "lineage",
        "Which models and data sets a model was made from, as its publisher states it, each with the "
        "evidence that there is.",
    ),
    "withdrawn": Term(
        "withdrawn",
        "yanked",
        "An owner of the namespace asks people to stop using the release. The record of it stays.",
    ),
    "policy": Term(
        "policy",
        "weighbridge.toml",
        "Your own rules for what you accept: signers, licences, co-signers.",
    ),
}
"""Anchor on `/about/trust` → label, standard word, explanation."""

LEVELS: Final[dict[int, str]] = {
    0: "says so",
    1: "names the exact parent",
    2: "parent is registered here",
    3: "tables match",
    4: "re-checked",
}
"""Evidence of a lineage edge (DESIGN section 5)."""

DATASET_LEVELS: Final[dict[int, str]] = {
    0: "says so",
    1: "names the exact data set",
    2: "data set is registered here",
    3: "tables match",
    4: "re-checked",
}
"""The same evidence where the other end is a data set."""

CHILD_LEVELS: Final[dict[int, str]] = {
    0: "says so",
    1: "names exactly this one",
    2: "names exactly this release",
    3: "tables match",
    4: "re-checked",
}
"""The same evidence, read from the parent."""

CONTRADICTED: Final = "the tables contradict it"
"""Evidence of an edge that the tensor tables of both ends refute."""

NOTICED: Final = "the registry noticed; nobody declared it"
"""Evidence of an edge that nobody stated."""

STANCES: Final[dict[str, str]] = {
    "acknowledges": "acknowledged by",
    "disputes": "disputed by",
    "rechecked": "re-checked by",
}
"""What somebody signed about an edge."""

RELATIONS: Final[dict[str | None, str]] = {
    "finetune": "fine-tuned from",
    "adapter": "adapter for",
    "merge": "merged from",
    "quantized": "quantised from",
    "converted": "converted from",
    "distilled": "distilled from",
    "continued_pretraining": "pre-trained further from",
    "pruned": "pruned from",
    "from_scratch": "trained from scratch",
    None: "made from (how is not said)",
}
"""A child's relation to its parent, read from the child."""

CHILD_RELATIONS: Final[dict[str | None, str]] = {
    "finetune": "fine-tuned from this",
    "adapter": "adapter for this",
    "merge": "merged from this and others",
    "quantized": "quantised from this",
    "converted": "converted from this",
    "distilled": "distilled from this",
    "continued_pretraining": "pre-trained further from this",
    "pruned": "pruned from this",
    "from_scratch": "trained from scratch",
    None: "made from this (how is not said)",
}
"""The same, read from the parent."""

STAGES: Final[dict[str | None, str]] = {
    "pretrain": "data for pre-training",
    "midtrain": "data for mid-training",
    "sft": "data for supervised fine-tuning",
    "preference": "data for preference training",
    "rl": "data for reinforcement learning",
    "eval": "data for evaluation",
    None: "data (its use is not said)",
}
"""What a data set was used for."""

KINDS: Final[dict[str, str]] = {
    "oms": "Model signature (OMS)",
    "release": "Release",
    "card": "Card revision",
    "lineage": "Lineage revision",
    "status": "Status",
    "namespace": "Namespace owners",
    "dataset": "Data set",
    "advisory": "Advisory",
    "position": "Position",
    "disclosure": "Disclosure",
    "deployment": "Deployment",
    "signer": "Introduction of a key",
    "operator": "Decision of the operator",
    "attestation": "Attestation",
}
"""Statement kinds as a history and the log list them."""

MATCHES: Final[dict[str, str]] = {
    "file": "a file of",
    "readme": "the README of",
    "tensor": "a tensor of",
    "weights": "the fingerprint of the weights of",
    "root": "the root digest of",
    "model": "the fingerprint of all files of",
    "table": "the tensor table of",
    "statement": "a signed statement about",
    "bundle": "the bundle of a signed statement about",
}
"""What a digest is within a match."""

COMPONENTS: Final[dict[str, str]] = {
    "model_architecture": "Model architecture",
    "model_parameters_final": "Model parameters (final)",
    "evaluation_results": "Evaluation results",
    "model_card": "Model card",
    "data_card": "Data card",
    "technical_report": "Technical report",
    "sample_model_outputs": "Sample model outputs",
    "training_code": "Training code",
    "inference_code": "Inference code",
    "evaluation_code": "Evaluation code",
    "evaluation_data": "Evaluation data",
    "supporting_libraries": "Supporting libraries and tools",
    "datasets": "Data sets",
    "data_preprocessing_code": "Data preprocessing code",
    "model_parameters_intermediate": "Model parameters (intermediate)",
    "research_paper": "Research paper",
    "model_metadata": "Model metadata",
}
"""Components of the Model Openness Framework."""


def generation(steps: int) -> str:
    """Return what an ancestor so many steps up is called."""
    names = ("own release", "parent", "grandparent", "great-grandparent")
    return names[steps] if steps < len(names) else f"ancestor {steps} steps up"
