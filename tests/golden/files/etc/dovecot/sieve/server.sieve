# managed by QmaiLux: changes made here are overwritten
# First script of every delivery. What a sender claims about our own spam check is removed before it runs.
require ["editheader"];

deleteheader "X-Spam-Flag";
deleteheader "X-Spam-Level";
deleteheader "X-Spam-Status";
deleteheader "X-Spam-Score";
deleteheader "X-Spam-Prev-Subject";
deleteheader "X-QM-Scan";
