/** A letter's link was tapped: the person wants no more letters, so nothing more is asked. */
const form = document.querySelector<HTMLFormElement>("form[data-send-at-once]");
form?.requestSubmit();
