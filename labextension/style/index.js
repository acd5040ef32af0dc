import './base.css';
import './sidebar.css';
import './pages.css';
import './lineage.css';
