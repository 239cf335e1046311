// Which page is shown, and what is open beside it.
import { signal, effect } from "../../../vendor/preact.js";

/** page is chat, models or measure; side the list of chats on narrow screens; panel the chat's settings. */
export const page = signal("chat");
export const side = signal(false);
export const panel = signal(false);

/** theme is system, light or dark. */
export const theme = signal(localStorage.getItem("theme") ?? "system");

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") {
    localStorage.removeItem("theme");
    delete root.dataset.theme;
  } else {
    localStorage.setItem("theme", theme.value);
    root.dataset.theme = theme.value;
  }
});
