// The panel works without this file; it only adds comfort.
"use strict";

// On a phone the sections scroll sideways: the one of this page is in sight.
const section = document.querySelector(".side [aria-current=page]");
if (section) section.parentElement.scrollLeft = section.offsetLeft - (section.parentElement.clientWidth - section.offsetWidth) / 2;

document.addEventListener("click", (event) => {
  const copy = event.target.closest("button[data-copy]");
  if (copy) copyText(copy);
  const reveal = event.target.closest("button[data-reveal]");
  if (reveal) toggleReveal(reveal);
  const close = event.target.closest("dialog [data-close]");
  if (close) {
    event.preventDefault();
    close.closest("dialog").close();
  }
  const opener = event.target.closest("a[data-dialog]");
  if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openDialog(opener.href);
  }
  // A menu closes when something else is clicked.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("change", (event) => {
  const name = event.target.dataset.chooseAll;
  if (!name) return;
  for (const box of document.querySelectorAll(`input[type=checkbox][name=${name}]`)) box.checked = event.target.checked;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A menu that was left by keyboard covers nothing of what comes next.
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest("details.menu[open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

async function copyText(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
}

function toggleReveal(button) {
  const field = document.getElementById(button.dataset.reveal);
  const hidden = field.type === "password";
  field.type = hidden ? "text" : "password";
  const words = button.textContent;
  button.textContent = button.dataset.hide;
  button.dataset.hide = words;
}

// The part of another page that asks for a confirmation, shown here; its form leads on as it would there.
async function openDialog(address) {
  const answer = await fetch(address, { headers: { "X-Requested-With": "dialog" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.querySelector("[data-dialog-part]");
  if (!answer.ok || answer.redirected || !part) {
    window.location.assign(address);
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.append(document.adoptNode(part));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
