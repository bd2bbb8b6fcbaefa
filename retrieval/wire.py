"""The JSON that leaves the project: one shape for hits and answers in CLI, app and other programs."""

from __future__ import annotations

from typing import Any

from retrieval.types import Answer, Hit, Locator, Related, Sentence, Topic, Writing

Json = dict[str, Any]


def source_json(locator: Locator) -> Json:
    return {
        "path": locator.path,
        "title": locator.title,
        "page": locator.page,
        "lines": list(locator.lines) if locator.lines else None,
        "heading": list(locator.heading),
        "span": list(locator.span),
    }


def hit_json(hit: Hit) -> Json:
    passage = hit.passage
    out: Json = {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "scores": {"dense": round(hit.scores.dense, 6), "lexical": round(hit.scores.lexical, 6)},
        "passage_id": passage.id,
        "kind": passage.kind,
        "text": passage.text,
        "source": source_json(passage.locator),
        "topics": list(passage.topics),
    }
    if hit.also:
        out["also"] = [source_json(locator) for locator in hit.also]
    if hit.before is not None:
        out["before_reranking"] = hit.before
    return out


def search_json(query: str, hits: list[Hit]) -> Json:
    return {"query": query, "hits": [hit_json(hit) for hit in hits]}


def answer_json(answer: Answer) -> Json:
    out: Json = {
        "question": answer.question,
        "answered": answer.answered,
        "confidence": round(answer.confidence, 4),
        "answer": [sentence_json(s) for s in answer.sentences],
        "citations": [{"n": c.n, "quote": c.quote, "source": source_json(c.locator)} for c in answer.citations],
        "hits": [hit_json(hit) for hit in answer.hits],
    }
    if not answer.answered:
        out["nearest_topics"] = list(answer.nearest_topics)
    if answer.writing:
        out["writing"] = writing_json(answer.writing)
    return out


def sentence_json(sentence: Sentence) -> Json:
    out: Json = {"text": sentence.text, "citations": list(sentence.citations)}
    if sentence.mark:
        out |= {"mark": sentence.mark, "why": sentence.why}
    return out


def writing_json(writing: Writing) -> Json:
    return {
        "model": writing.model,
        "prompt": writing.prompt,
        "seconds": round(writing.seconds, 3),
        "fallback": writing.fallback or None,
        "missing": writing.missing or None,
        "tokens": list(writing.tokens) if writing.tokens else None,
    }


def topic_json(topic: Topic) -> Json:
    return {
        "id": topic.id,
        "name": topic.name,
        "kind": topic.kind,
        "parent": topic.parent,
        "passages": len(topic.passages),
    }


def related_json(topic: Topic, questions: list[str], related: list[Related]) -> Json:
    return {
        "topic": topic_json(topic),
        "questions": questions,
        "related": [
            {
                "topic": topic_json(r.topic),
                "score": round(r.score, 4),
                "reasons": list(r.reasons),
                "questions": list(r.questions),
            }
            for r in related
        ],
    }
