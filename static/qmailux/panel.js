// The panel works without this file; it only adds comfort.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button || !navigator.clipboard) return;
  navigator.clipboard.writeText(button.dataset.copy).then(() => {
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  });
});
