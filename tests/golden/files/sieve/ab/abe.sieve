# managed by QmaiLux: changes made here are overwritten
require ["copy", "fileinto", "imap4flags", "mailbox", "variables"];

if allof (anyof (
  header :contains ["Subject"] ["Łódź \"$${_}{1}\" \\", "łódź \"$${_}{1}\" \\", "ŁÓDŹ \"$${_}{1}\" \\"],
  anyof (address :all :matches ["From"] ["*@sklep.example"], header :matches ["From"] ["*@sklep.example"]))) {
  addflag "\\Seen";
  addflag "\\Flagged";
  fileinto :create "Klienci/Żółta Łódź";
  redirect :copy "kopia@obcy.example";
  set "stopped" "yes";
}

if allof (not string :is "${stopped}" "yes", allof (
  anyof (address :all :is ["To", "Cc"] ["x@y.example"], header :is ["To", "Cc"] ["x@y.example"]))) {
  discard;
  stop;
}

redirect :copy "x@gmail.example";
