// Which colours to use, before anything is drawn: those chosen here earlier, else those of the system.
"use strict";
{
  const chosen = localStorage.getItem("memalpha.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
