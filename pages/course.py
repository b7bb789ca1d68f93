"""The course page: a lesson at a time, in which one predicts, runs, sees, and is told how sure one may be."""

from fashion.ui import course_view, frame

frame.page(
    "Course",
    "Fifteen lessons, each a small experiment: expect, run, see, and learn how sure one may be. "
    "They follow week 8 of ML Zoomcamp.",
)

lesson = course_view.lesson_input()
course_view.idea(lesson)
course_view.expectation(lesson)
done, ask = course_view.work(lesson)
course_view.conclusion(lesson, done)
course_view.question(lesson, ask)
course_view.progress()
