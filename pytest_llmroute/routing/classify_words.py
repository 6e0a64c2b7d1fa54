"""Verbs by the kind of work they ask for, and how a message is built: what decides where no rule fires.

English base forms and German stems (imperative or infinitive endings are cut off before looking up, ä/ö/ü/ß are
written ae/oe/ue/ss). A message is split into clauses; a clause that begins with one of these verbs is an order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

VERBS: dict[str, str] = {
    "code_generation": """
        code implement refactor debug program compile vectorise vectorize port lint typecheck transpile scaffold patch
        implementier programmier refaktorisier kompilier debugg""",
    "tool_use": """
        send email mail text message whatsapp call phone dial remind wake book reserve order buy purchase cancel reschedule
        set start restart reboot stop kill pause resume play skip mute run execute launch deploy install uninstall open close
        print scan save upload download delete remove move copy rename archive zip search google find locate fetch get
        pull push merge commit clone checkout check ping query turn switch dim lock unlock navigate post tweet share
        forward reply pay transfer subscribe unsubscribe track monitor watch alert notify approve close
        mount restore sync stream record invite snooze charge connect disconnect enable disable refresh tail grep
        schick send ruf erinner weck buch reservier bestell kauf stornier stell start stopp beend oeffn schliess druck scann
        speicher lad hochlad herunterlad loesch entfern verschieb kopier benenn archivier such googl find hol pruef schau guck
        schalt dreh mach spiel pausier lies les trag fueg frag antwort leit ueberweis bezahl verbind aktivier deaktivier
        installier aktualisier fuehr nimm melde meld navigier teil veroeffentlich benachrichtig informier""",
    "complex_reasoning": """
        explain compare contrast prove derive analyse analyze evaluate assess critique criticise criticize discuss argue justify
        weigh estimate deduce infer reason suggest recommend advise diagnose design interpret debate reflect elaborate solve
        calculate compute examine investigate consider predict speculate troubleshoot conclude defend refute model reconcile
        erklaer vergleich beweis leit analysier evaluier beurteil kritisier diskutier argumentier begruend waeg schaetz folger
        empfiehl empfehl rat interpretier eroerter loes berechn untersuch prognostizier entwirf entwerf deut durchdenk
        ueberleg stellungnahme""",
    "summarization": """
        summarise summarize condense shorten compress abridge recap boil distill distil squeeze simplify trim digest outline
        brief reduce extract paraphrase
        fass zusammenfass kuerz verkuerz straff komprimier resuemier verdicht dampf eindampf rekapitulier""",
    "classification": """
        classify categorise categorize label tag sort group rate judge determine identify detect assign mark flag recognise
        recognize grade bucket rank filter
        klassifizier kategorisier ordn zuordn einordn sortier bewert bestimm erkenn markier etikettier stuf einstuf gruppier
        entscheid""",
    "multi_step": """
        plan organise organize orchestrate coordinate guide walk lead teach train migrate
        plan organisier koordinier gruend begleit migrier""",
    "": """
        tell show put look say zeig sag name list nenn
        write create make build generate produce draft give add prepare develop compose convert change complete finish rewrite
        edit improve review translate test document fix correct repair update collect gather clean plot compare present
        publish announce verify validate measure define choose pick interview research scrape study learn practise practice
        begin continue end read use take keep back format tidy wrap ship release
        schreib erstell bau generier erzeug entwickl ueberarbeit uebersetz korrigier reparier aenderung aender ergaenz
        verbesser teste test dokumentier sammel samml bereit bereinig praesentier mess definier waehl recherchier behandel
        uebe ueb gib lern nutz sicher formatier gliedere glieder back misch formulier verfass zeichn stell""",
}
PREFIX = re.compile(
    r"^(?:\W*(?:please|pls|plz|kindly|bitte|hey|hi|hello|hallo|ok|okay|so|now|well|first|firstly|then|next|after that|"
    r"afterwards|finally|lastly|also|just|quickly|can (?:you|u)|could you|would you|will you|i (?:want|need) you to|"
    r"i'?d like you to|let'?s|let us|go and|go ahead and|and|mal|doch|dann|danach|anschliessend|zuerst|zunaechst|erst|"
    r"zum schluss|am ende|und|kannst du|koenntest du|wuerdest du|magst du|hilf mir,?|help me(?: to)?)\b\W*)+"
)
CLAUSES = re.compile(
    r"[.;!?:\n]+|,|\s+(?:and|then|und|dann|danach|anschliessend|sowie)\s+|\s+\(?\d[.)]\s+|(?:^|\s)\d[.)]\s"
)
ENDING = re.compile(r"(?:est|st|en|e|t|n)$")
FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "’": "'"})


@dataclass(frozen=True, slots=True)
class Build:
    """How a message is built."""

    orders: tuple[str, ...]
    """The kind of each clause that is an order; the empty kind says only that something is to be done."""
    question: bool
    words: int
    addressed: bool
    """Whether it speaks of the one who is asked: you, du."""
    wish: bool
    """Whether something is wanted: I need, I'd like, ich brauche."""


@cache
def _kinds() -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, words in VERBS.items():
        for word in words.split():
            found.setdefault(word, kind)
    return found


def build_of(ask: str) -> Build:
    """Clauses, orders and persons of a request."""
    text = ask.lower().translate(FOLDED)
    clauses = [clause.strip() for clause in CLAUSES.split(text) if clause and clause.strip()]
    orders = tuple(kind for clause in clauses if len(clause.split()) > 1 and (kind := order_of(clause)) is not None)
    words = text.split()
    return Build(
        orders=orders,
        question="?" in text
        or bool(re.match(r"\W*(?:what|who|when|where|which|how|why|was|wer|wann|wo|wie|welche\w*|warum)\b", text)),
        words=len(words),
        addressed=bool(re.search(r"\b(?:you|your|you're|u|ya|du|dir|dich|dein\w*|euch|ihr)\b", text)),
        wish=bool(
            re.search(r"\b(?:need|want|would like|'d like|looking for|brauche?n?|haette gern|moechte|suche)\b", text)
        ),
    )


def order_of(clause: str) -> str | None:
    """The kind of order that a clause begins with (or, in German, ends with); None when it is none."""
    words = PREFIX.sub("", clause).split()
    if not words or len(clause) > 400:
        return None
    kinds = _kinds()
    for word in (words[0], words[-1] if words[-1].endswith(("en", "ern", "eln")) and len(words) > 1 else ""):
        word = word.strip("\"'()*,")
        if word in kinds:
            return kinds[word]
        stem = ENDING.sub("", word)
        if len(stem) > 2 and stem in kinds and stem != word:
            return kinds[stem]
    return None
