# managed by QmaiLux: changes made here are overwritten
require ["copy"];

redirect :copy "ola@firma.test";
redirect :copy "x@gmail.example";
