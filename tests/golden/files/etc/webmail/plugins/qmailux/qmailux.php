<?php
// managed by QmaiLux: changes made here are overwritten

/**
 * What Roundcube has to know of the server around it: where people log in, and which folders teach.
 */
class qmailux extends rcube_plugin
{
    const LEARN_FOLDERS = [
        'en' => ['Learn spam', 'Unlearn spam'],
        'pl' => ['Naucz spam', 'Oducz spam'],
    ];

    public function init()
    {
        $this->add_hook('startup', [$this, 'startup']);
        $this->add_hook('unauthenticated', [$this, 'unauthenticated']);
        $this->add_hook('storage_connect', [$this, 'storage_connect']);
        $this->add_hook('user_create', [$this, 'user_create']);
        $this->add_hook('login_after', [$this, 'login_after']);
        // Before markasjunk looks.
        $folders = self::LEARN_FOLDERS[$_SESSION['qmailux_language'] ?? 'en'];
        $config = rcmail::get_instance()->config;
        $config->set('markasjunk_spam_mbox', $folders[0]);
        $config->set('markasjunk_ham_mbox', $folders[1]);
    }

    public function startup($args)
    {
        if ($args['task'] == 'login' && $args['action'] == 'login') {
            $this->only_inside();
        }
        return $args;
    }

    public function unauthenticated($args)
    {
        $this->only_inside();
        return $args;
    }

    /** The mail server's log names the person's own address: all of them come from one here. */
    public function storage_connect($args)
    {
        $args['preauth_ident'] = ['x-originating-ip' => $_SERVER['REMOTE_ADDR']];
        return $args;
    }

    public function user_create($args)
    {
        $language = $this->language();
        $args['language'] = $language == 'pl' ? 'pl_PL' : 'en_US';
        $name = rcube_utils::get_input_string('_qmailux_name', rcube_utils::INPUT_POST);
        if ($name !== '') {
            $args['user_name'] = $name;
        }
        return $args;
    }

    public function login_after($args)
    {
        $_SESSION['qmailux_language'] = $this->language();
        return $args;
    }

    private function language()
    {
        $language = rcube_utils::get_input_string('_qmailux_language', rcube_utils::INPUT_POST);
        return isset(self::LEARN_FOLDERS[$language]) ? $language : 'en';
    }

    /** Everybody but the panel is led to the panel's login page. */
    private function only_inside()
    {
        if (empty($_SERVER['QMAILUX_INSIDE'])) {
            header('Location: ' . '/login/?webmail=roundcube', true, 303);
            exit;
        }
    }
}
